//! What of a selection can be played: the groups that are there and connected, and what the file's header needs of
//! them.

use edge_protocol::command::ClipScope;
use edge_protocol::evidence::ManifestSpan;
use edge_protocol::hash::Hash256;
use edge_protocol::media::Codec;
use edge_protocol::time::WallTime;
use edge_store::ring::{Coding, Contents, Group, RingReader};

use super::mp4::{self, Run};
use super::package::ClipError;
use super::timeline::Timeline;
use crate::media::nal::parameter_sets;

/// Groups whose contents are there, with what the file's header needs of them.
pub(super) struct Clip {
    pub(super) coding: Coding,
    pub(super) groups: Vec<Group>,
    stretches: Vec<Stretch>,
    timeline: Timeline,
}

/// Pictures that share their parameter sets.
struct Stretch {
    parameters: Hash256,
    sets: Vec<Vec<u8>>,
    size: (u16, u16),
    pictures: usize,
}

/// Reads every group once. Left out, and stated, are those that are damaged or coded in another way than the first (the
/// manifest names one codec), and those after a break that no decoder can begin with.
pub(super) fn read_groups(
    reader: &RingReader,
    groups: Vec<Group>,
) -> Result<(Option<Clip>, Vec<ManifestSpan>), ClipError> {
    let (mut clip, mut left_out): (Option<Clip>, Vec<ManifestSpan>) = (None, Vec::new());
    let mut connected = false;
    for group in groups {
        let decodable = group.starts_with_key || (connected && !group.discontinuity);
        let codec = clip.as_ref().map(|clip| clip.coding.codec);
        let read = if decodable { read_group(reader, &group, codec)? } else { None };
        connected = read.is_some();
        let Some((coding, contents)) = read else {
            left_out.push(ManifestSpan { from: group.wall.time, to: group.end() });
            continue;
        };
        let begun = clip.get_or_insert_with(|| Clip {
            coding,
            groups: Vec::new(),
            stretches: Vec::new(),
            timeline: Timeline::default(),
        });
        begun.push(group, coding, &contents);
    }
    Ok((clip, left_out))
}

/// A group as it was recorded, where it still is and is coded as wanted.
fn read_group(
    reader: &RingReader,
    group: &Group,
    codec: Option<Codec>,
) -> Result<Option<(Coding, Contents)>, ClipError> {
    let coding = reader.coding(group)?.filter(|coding| codec.is_none_or(|codec| codec == coding.codec));
    let Some(coding) = coding else { return Ok(None) };
    Ok(reader.read(group)?.map(|contents| (coding, contents)))
}

/// Spans in order, without what was not asked for; those that touch are one.
pub(super) fn within(asked: &ClipScope, mut spans: Vec<ManifestSpan>) -> Vec<ManifestSpan> {
    spans.sort_by_key(|span| span.from);
    let mut ordered: Vec<ManifestSpan> = Vec::new();
    for span in spans {
        let span = ManifestSpan { from: span.from.max(asked.from), to: span.to.min(asked.to) };
        match ordered.last_mut() {
            _ if span.from >= span.to => {}
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => ordered.push(span),
        }
    }
    ordered
}

impl Clip {
    fn push(&mut self, group: Group, coding: Coding, Contents { pictures, video }: &Contents) {
        if self.stretches.last().is_none_or(|last| last.parameters != coding.parameters) {
            let first = pictures.first().map_or(0, |picture| picture.bytes as usize);
            let sets = parameter_sets(coding.codec, video.get(..first).unwrap_or_default());
            self.stretches.push(Stretch {
                parameters: coding.parameters,
                sets: sets.into_iter().map(<[u8]>::to_vec).collect(),
                size: group.size.unwrap_or((0, 0)),
                pictures: 0,
            });
        }
        self.timeline.push(&group, pictures);
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.pictures += pictures.len();
        }
        self.groups.push(group);
    }

    /// When the last picture ends.
    pub(super) fn end(&self) -> WallTime {
        self.groups.iter().map(Group::end).max().unwrap_or_default()
    }

    /// The same for the same groups, so that a clip that is asked for again goes on where its pieces ended.
    pub(super) fn header(&mut self) -> Vec<u8> {
        let samples = std::mem::take(&mut self.timeline).finish();
        let sets: Vec<Vec<&[u8]>> =
            self.stretches.iter().map(|stretch| stretch.sets.iter().map(Vec::as_slice).collect()).collect();
        let mut rest = samples.as_slice();
        let runs = self.stretches.iter().zip(&sets).map(|(stretch, sets)| {
            let (samples, later) = rest.split_at(stretch.pictures.min(rest.len()));
            rest = later;
            let (width, height) = stretch.size;
            Run { codec: self.coding.codec, width, height, parameter_sets: sets, samples }
        });
        let began = self.groups.first().map_or(0, |group| group.wall.time.as_micros());
        let seconds = u64::try_from(began / 1_000_000).unwrap_or(0);
        mp4::header(&runs.collect::<Vec<_>>(), seconds)
    }
}
