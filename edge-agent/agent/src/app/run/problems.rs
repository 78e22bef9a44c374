//! What is wrong with the unit, in words for a person; nothing where all is well.

use edge_protocol::commissioning::{Finding, Verdict};
use edge_protocol::record::{CameraCondition, CameraHealth, Sentence, StorageHealth, UplinkHealth, WorkerHealth};
use edge_store::disk::Room;

/// What a unit that is nobody's yet says instead of what it does not keep.
pub(super) fn not_enrolled() -> Sentence {
    Sentence::cut("this unit is not enrolled: it looks, and keeps and tells nothing")
}

/// What is not looked at, worst first.
pub(super) fn unseen(cameras: &[CameraHealth], worker: &WorkerHealth) -> Vec<Sentence> {
    let worker = (!worker.running).then(|| "the vision worker is not running: nothing is looked at".to_owned());
    let dark = cameras.iter().filter(|camera| camera.condition != CameraCondition::Streaming);
    let dark = dark.map(|camera| format!("camera {}: {}", camera.camera, camera.text));
    worker.into_iter().chain(dark).map(|text| Sentence::cut(&text)).collect()
}

/// What is not kept or not told, worst first.
pub(super) fn unkept(cameras: &[CameraHealth], uplink: &UplinkHealth, storage: &StorageHealth) -> Vec<Sentence> {
    let mut words = Vec::new();
    // What is told of this start says it of all cameras.
    let records = storage.locked.is_none();
    for camera in cameras.iter().filter(|camera| records && camera.ring.is_none()) {
        words.push(format!("camera {}: nothing is recorded, its ring cannot be opened", camera.camera));
    }
    match &uplink.trouble {
        Some(trouble) if uplink.connected => words.push(trouble.to_string()),
        Some(why) => words.push(format!("no connection to the broker ({why}): records are kept on the unit")),
        None if uplink.connected => {}
        None => words.push("no connection to the broker: records are kept on the unit".to_owned()),
    }
    if storage.failed_writes > 0 {
        words.push(format!("{} groups of video could not be stored", storage.failed_writes));
    }
    if storage.set_aside > 0 {
        words.push(format!("damaged files lie set aside ({} of them): look, and remove them", storage.set_aside));
    }
    if (Room { total: storage.total_bytes, free: storage.free_bytes }).is_nearly_full() {
        words.push("the disk is nearly full".to_owned());
    }
    words.iter().map(|text| Sentence::cut(text)).collect()
}

/// What is wrong with the drive under the data, or with knowing it.
pub(super) fn worn(wear: &Finding) -> Option<Sentence> {
    let is_wrong = matches!(wear.verdict, Verdict::Warning | Verdict::Failed);
    is_wrong.then(|| Sentence::cut(&format!("{}: {}", wear.check, wear.measured)))
}

/// Something that the vision worker does without.
pub(super) fn worker_lacks(what: &str) -> Sentence {
    Sentence::cut(&format!("the vision worker does without {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_there_is_no_connection_is_said_as_far_as_it_is_known() {
        let storage = StorageHealth { total_bytes: 1 << 40, free_bytes: 1 << 39, ..StorageHealth::default() };
        let said =
            |uplink: &UplinkHealth| unkept(&[], uplink, &storage).iter().map(ToString::to_string).collect::<Vec<_>>();
        let unknown = UplinkHealth::default();
        assert_eq!(said(&unknown), ["no connection to the broker: records are kept on the unit"]);
        let known = UplinkHealth { trouble: Some(Sentence::cut("there is no route to the broker")), ..unknown };
        assert_eq!(
            said(&known),
            ["no connection to the broker (there is no route to the broker): records are kept on the unit"]
        );
        let unread = UplinkHealth { trouble: Some(Sentence::cut("a lane cannot be read")), connected: true, ..known };
        assert_eq!(said(&unread), ["a lane cannot be read"]);
        assert!(said(&UplinkHealth { trouble: None, ..unread }).is_empty());
    }

    #[test]
    fn a_worn_drive_is_a_problem_and_one_that_tells_nothing_is_none() {
        let said = |wear: &Finding| worn(wear).map(|text| text.to_string());
        assert_eq!(said(&Finding::ok("disk wear", "mmcblk0: 20 %")), None);
        assert_eq!(said(&Finding::unchecked("disk wear", "sda tells nothing")), None);
        let words = Some("disk wear: nvme0n1: 95 % of its rated life used".to_owned());
        assert_eq!(said(&Finding::warning("disk wear", "nvme0n1: 95 % of its rated life used", "replace it")), words);
        assert_eq!(said(&Finding::failed("disk wear", "nvme0n1: 95 % of its rated life used", "replace it")), words);
    }
}
