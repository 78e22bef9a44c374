//! What a unit and a center say to each other.
