//! The tables of a batch and the fields that refer to them.

use minicbor::{Decode, Encode};

use crate::record::Versions;
use crate::time::{ClockQuality, Moment};

/// The longest word in a table, in bytes.
pub(crate) const MAX_WORD_BYTES: usize = 64;

/// What an encoder or decoder of records must know: the tables of the batch, or nothing for a record alone.
pub trait Context {
    /// The batch's tables, if there is a batch.
    fn tables(&mut self) -> Option<&mut Tables>;
}

impl Context for () {
    fn tables(&mut self) -> Option<&mut Tables> {
        None
    }
}

impl Context for Tables {
    fn tables(&mut self) -> Option<&mut Tables> {
        Some(self)
    }
}

/// What the records of one batch share. Filled while encoding, read while decoding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tables {
    on_wire: TablesOnWire,
}

/// The tables as they stand in the batch's head.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct TablesOnWire {
    /// Moments count from here; milliseconds since 1970.
    #[n(0)]
    base_ms: Option<i64>,
    #[cbor(n(1), skip_if = "Vec::is_empty")]
    words: Vec<String>,
    #[cbor(n(2), skip_if = "Vec::is_empty")]
    clocks: Vec<ClockQuality>,
    #[cbor(n(3), skip_if = "Vec::is_empty")]
    versions: Vec<Versions>,
}

impl Tables {
    pub(crate) fn received(on_wire: TablesOnWire) -> Self {
        Self { on_wire }
    }

    pub(crate) fn on_wire(&self) -> &TablesOnWire {
        &self.on_wire
    }

    /// Milliseconds of a moment from the base; the first moment of a batch becomes its base.
    pub(crate) fn shorten(&mut self, moment: Moment) -> i64 {
        let base = *self.on_wire.base_ms.get_or_insert(moment.as_millis());
        moment.as_millis().wrapping_sub(base)
    }

    /// What moments count from.
    pub(crate) fn base_ms(&self) -> i64 {
        self.on_wire.base_ms.unwrap_or(0)
    }
}

/// Place of a value in a table, added where it is new. Tables hold a handful of entries, so a walk is fastest.
fn place<T: PartialEq, B: ?Sized + PartialEq<T> + ToOwned<Owned = T>>(table: &mut Vec<T>, value: &B) -> u64 {
    let at = table.iter().position(|held| value == held).unwrap_or_else(|| {
        table.push(value.to_owned());
        table.len() - 1
    });
    at as u64
}

fn entry<T: Clone>(table: &[T], at: u64, what: &str) -> Result<T, minicbor::decode::Error> {
    let held = usize::try_from(at).ok().and_then(|at| table.get(at));
    held.cloned().ok_or_else(|| minicbor::decode::Error::message(format!("no such {what} in the batch")))
}

fn is_number(d: &minicbor::Decoder<'_>) -> Result<bool, minicbor::decode::Error> {
    use minicbor::data::Type;
    Ok(matches!(d.datatype()?, Type::U8 | Type::U16 | Type::U32 | Type::U64))
}

/// For names: text alone, a number in a batch.
pub(crate) mod word {
    use std::str::FromStr;

    use minicbor::{Decoder, Encoder, decode as decoding, encode as encoding};

    use super::{Context, entry, is_number, place};

    pub(crate) fn encode<C: Context, T: AsRef<str>, W: encoding::Write>(
        word: &T,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        match context.tables() {
            Some(tables) => e.u64(place(&mut tables.on_wire.words, word.as_ref()))?.ok(),
            None => e.str(word.as_ref())?.ok(),
        }
    }

    pub(crate) fn decode<C: Context, T>(d: &mut Decoder<'_>, context: &mut C) -> Result<T, decoding::Error>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let at = d.position();
        let parsed = match context.tables() {
            Some(tables) if is_number(d)? => entry(&tables.on_wire.words, d.u64()?, "word")?.parse(),
            _ => d.str()?.parse(),
        };
        parsed.map_err(|error| decoding::Error::message(error).at(at))
    }
}

/// For [`ClockQuality`]: itself alone, a number in a batch.
pub(crate) mod clock {
    use minicbor::{Decode, Decoder, Encode, Encoder, decode as decoding, encode as encoding};

    use super::{ClockQuality, Context, entry, is_number, place};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "minicbor calls it with a reference")]
    pub(crate) fn encode<C: Context, W: encoding::Write>(
        quality: &ClockQuality,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        match context.tables() {
            Some(tables) => e.u64(place(&mut tables.on_wire.clocks, quality))?.ok(),
            None => quality.encode(e, &mut ()),
        }
    }

    pub(crate) fn decode<C: Context>(d: &mut Decoder<'_>, context: &mut C) -> Result<ClockQuality, decoding::Error> {
        match context.tables() {
            Some(tables) if is_number(d)? => entry(&tables.on_wire.clocks, d.u64()?, "clock quality"),
            _ => ClockQuality::decode(d, &mut ()),
        }
    }
}

/// For [`Versions`]: themselves alone, a number in a batch.
pub(crate) mod versions {
    use minicbor::{Decode, Decoder, Encode, Encoder, decode as decoding, encode as encoding};

    use super::{Context, Versions, entry, is_number, place};

    pub(crate) fn encode<C: Context, W: encoding::Write>(
        versions: &Versions,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encoding::Error<W::Error>> {
        match context.tables() {
            Some(tables) => e.u64(place(&mut tables.on_wire.versions, versions))?.ok(),
            None => versions.encode(e, &mut ()),
        }
    }

    pub(crate) fn decode<C: Context>(d: &mut Decoder<'_>, context: &mut C) -> Result<Versions, decoding::Error> {
        match context.tables() {
            Some(tables) if is_number(d)? => entry(&tables.on_wire.versions, d.u64()?, "versions"),
            _ => Versions::decode(d, &mut ()),
        }
    }
}
