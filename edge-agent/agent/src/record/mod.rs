//! Access units to the video ring.
