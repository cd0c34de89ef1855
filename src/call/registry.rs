//! Every call.
