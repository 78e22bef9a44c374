//! Frames to events, pure.
