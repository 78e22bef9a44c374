//! The confined worker: access units to sightings, and the main process's end of its socket.
