//! Units of what is measured and driven.

use std::fmt;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $symbol:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name(pub f32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:.2} ", $symbol), self.0)
            }
        }
    };
}

unit! {
    /// Temperature.
    Celsius, "°C"
}
unit! {
    /// Electric potential.
    Volts, "V"
}
unit! {
    /// Electric current.
    Amperes, "A"
}
unit! {
    /// Power.
    Watts, "W"
}
unit! {
    /// Brightness of the surroundings.
    Lux, "lx"
}
unit! {
    /// An angle.
    Degrees, "°"
}

/// A share from 0 (off) to 1 (full).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(f32);

impl Share {
    /// Nothing.
    pub const OFF: Self = Self(0.0);
    /// Everything.
    pub const FULL: Self = Self(1.0);

    /// A share; values outside 0..=1 are brought to the nearer end, and what is no number to off.
    pub fn of(value: f32) -> Self {
        if value.is_nan() { Self::OFF } else { Self(value.clamp(0.0, 1.0)) }
    }

    /// The share as a number.
    pub fn get(self) -> f32 {
        self.0
    }
}
