"""What bots do to place a call: two seconds of patience, and a look at the text of the reply.

usage: place_call.py URL KEY NUMBER ROOM CALLER_ID

Prints what the bot makes of it: success, busy, failure, or timeout.
"""

import sys

import requests


def place_call(url, key, number, room, caller_id):
    fields = {"api_key": key, "phone_number": number, "room_name": room, "caller_id": caller_id}
    try:
        text = requests.post(url, json=fields, timeout=2).text
    except requests.Timeout:
        return "timeout"
    except requests.RequestException:
        return "failure"
    if "call already in progress" in text:
        return "busy"
    if "error" in text:
        return "failure"
    return "success"


if __name__ == "__main__":
    print(place_call(*sys.argv[1:]))
