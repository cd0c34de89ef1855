"""peer.py FILE: for each line on stdin, panoramisk parses the file, and the program prints the CPU
time in seconds."""

import sys
import time

from panoramisk.ami_protocol import AMIProtocol

CHUNK = 64 * 1024


class Counter:
    """Receives the messages in place of a manager."""

    count = 0

    def dispatch(self, message):
        self.count += 1


def parse(chunks):
    protocol = AMIProtocol()
    protocol.encoding = 'utf8'
    protocol.connection_made(None)
    protocol.factory = Counter()
    protocol.data_received(b'Asterisk Call Manager/11.0.0\r\n')
    began = time.thread_time()
    for chunk in chunks:
        protocol.data_received(chunk)
    took = time.thread_time() - began
    assert protocol.factory.count > 0, 'it understood nothing'
    return took


with open(sys.argv[1], 'rb') as file:
    transcript = file.read()
chunks = [transcript[at:at + CHUNK] for at in range(0, len(transcript), CHUNK)]
for line in sys.stdin:
    print(parse(chunks), flush=True)
