//! The access unit and its codec: what every station passes on.
