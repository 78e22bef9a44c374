//! The status LED: what it says to somebody on a ladder.
//!
//! | it shows | it means |
//! |---|---|
//! | slow blinking (1 s on, 1 s off) | booting |
//! | two short flashes, then a pause | no camera |
//! | steady light | seeing: every camera delivers, the models run |
//! | fast blinking (5 a second) | setup is open |
//! | three short flashes, then a pause | something is wrong: run `edge-agent doctor` |

use std::time::Duration;

/// What the LED says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// Slow.
    Booting,
    /// Double flash.
    NoCamera,
    /// Steady.
    Seeing,
    /// Fast.
    SetupOpen,
    /// Triple flash.
    Fault,
}

impl Indication {
    /// Whether the LED is lit `into` the indication.
    pub fn is_lit(self, into: Duration) -> bool {
        let millis = into.as_millis();
        match self {
            Self::Booting => millis % 2000 < 1000,
            Self::NoCamera => flashes(millis, 2),
            Self::Seeing => true,
            Self::SetupOpen => millis % 200 < 100,
            Self::Fault => flashes(millis, 3),
        }
    }
}

/// `count` flashes of 150 ms every 300 ms, in a period of 2 s.
fn flashes(millis: u128, count: u128) -> bool {
    let into = millis % 2000;
    into < count * 300 && into % 300 < 150
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_indication_looks_different_within_two_seconds() {
        let all =
            [Indication::Booting, Indication::NoCamera, Indication::Seeing, Indication::SetupOpen, Indication::Fault];
        let looks =
            all.map(|indication| (0..40).map(|i| indication.is_lit(Duration::from_millis(i * 50))).collect::<Vec<_>>());
        for (i, look) in looks.iter().enumerate() {
            assert!(looks.iter().skip(i + 1).all(|other| other != look), "{:?}", all[i]);
        }
    }
}
