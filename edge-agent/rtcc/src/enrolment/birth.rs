//! Two units with one identity, seen from their births.
//!
//! A program that has started says so in every birth, and an earlier one never speaks again once a later one has: if
//! it does, both are alive. The broker ends the older of two connections with one name, so copies take turns, each
//! with a birth. What is known here is forgotten with every new connection to the broker, which may bring the same
//! births again.

use std::collections::HashMap;

/// The programs that were heard under each unit's name.
#[derive(Debug, Default)]
pub struct Lives {
    /// By unit: every life so far, the present one last.
    known: HashMap<String, Vec<String>>,
}

/// More restarts than this without a new connection to the broker are no reason to keep more.
const MOST: usize = 16;

impl Lives {
    /// Forgets everything: what comes next may have come before.
    pub fn forget(&mut self) {
        self.known.clear();
    }

    /// Notes a birth; true if it is that of a program after which another one was heard already.
    pub fn note(&mut self, unit: &str, birth: &serde_json::Value) -> bool {
        let life = format!("{} {}", birth["epoch"], birth["started"]);
        let lives = self.known.entry(unit.to_owned()).or_default();
        let before = lives.iter().position(|known| *known == life);
        match before {
            Some(place) if place + 1 == lives.len() => false,
            Some(place) => {
                lives.remove(place);
                lives.push(life);
                true
            }
            None => {
                if lives.len() >= MOST {
                    lives.remove(0);
                }
                lives.push(life);
                false
            }
        }
    }
}
