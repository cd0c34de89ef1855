//! The AMI parser as a tokio decoder.

use std::io;

use bytes::BytesMut;
use tokio_util::codec::Decoder;

use originatord_core::ami::parser::{NotAsterisk, Parser, Received};

/// Decodes what Asterisk sends; one for each connection.
#[derive(Debug, Default)]
pub(super) struct AmiDecoder(Parser);

/// Why a connection cannot be read on.
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
