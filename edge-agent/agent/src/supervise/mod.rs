//! Start, stop, queues, heartbeats, clock: every station may use it.
