//! The AMI parser as a tokio decoder.

use std::io;

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use originatord_core::ami::parser::{NotAsterisk, Parser, Received};

/// Decodes the bytes of one connection to Asterisk.
#[derive(Debug, Default)]
pub(super) struct AmiDecoder(Parser);

/// The reason why a connection cannot be read any further.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error(transparent)]
    NotAsterisk(#[from] NotAsterisk),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Decoder for AmiDecoder {
    type Item = Received;
    type Error = DecodeError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        Ok(self.0.parse(buffer)?)
    }
}
