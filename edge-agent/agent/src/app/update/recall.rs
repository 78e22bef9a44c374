//! An order is called back: what has not begun does not begin. What is in the other slot, or in use, stays what it is;
//! only another update undoes that.

use std::path::Path;

use edge_protocol::agent_release::AgentRelease;
use edge_protocol::id::RequestId;
use edge_protocol::model_set::ModelSet;
use edge_store::disk::RealDisk;

use super::lock::Lock;
use crate::control::Recalled;
use crate::update::artefact::{Artefact, Artefacts};
use crate::update::{Order, Ordered, Orders};

/// Ends the order of a request, if it is there and nothing was changed for it yet; the order comes back with it.
pub(in crate::app) fn recall(data_dir: &Path, request: RequestId) -> Result<(Recalled, Option<Order>), String> {
    let folder = data_dir.join("update");
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let _changing = Lock::order(&folder).map_err(|error| words(&error))?;
    let orders = Orders::new(&RealDisk, &folder);
    let found = orders.read().map_err(|error| words(&error))?.filter(|order| order.request == request);
    let Some(order) = found else { return Ok((Recalled::NotThere, None)) };
    let (_held, has_begun) = match &order.what {
        Ordered::Image { .. } => (None, order.handed),
        Ordered::Models { revision } => begun::<ModelSet>(data_dir, &order, revision)?,
        Ordered::Agent { agent } => begun::<AgentRelease>(data_dir, &order, agent)?,
    };
    if has_begun {
        let why = format!("the update to {} has begun; what undoes it is another update", order.what);
        return Ok((Recalled::TooLate(why), None));
    }
    orders.remove().map_err(|error| words(&error))?;
    Ok((Recalled::Ended(order.what.to_string()), Some(order)))
}

/// Whether something was changed for an order already. What is being put to use at this moment has begun; the lock is to
/// be held until the order is gone.
fn begun<A: Artefact>(data_dir: &Path, order: &Order, revision: &A::Revision) -> Result<(Option<Lock>, bool), String> {
    let lock = Lock::artefact(&data_dir.join("update"), A::FOLDER).map_err(|error| error.to_string())?;
    let standing = Artefacts::<A>::new(&RealDisk, data_dir).standing().map_err(|error| error.to_string())?;
    let is_used = lock.is_none() || standing.used() == Some(revision);
    Ok((lock, order.handed && is_used))
}

#[cfg(test)]
mod tests {
    use edge_protocol::command::{Artefact, UpdateScope};
    use edge_protocol::hash::Hash256;
    use edge_protocol::id::CommandId;
    use edge_protocol::time::WallStamp;

    use super::*;
    use crate::update::artefact::Artefact as _;
    use crate::update::models::world::{World, passes};

    fn request(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    /// A unit that has this order.
    fn ordered(artefact: Option<Artefact>, version: &str, handed: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let scope = UpdateScope {
            url: "https://center/b".to_owned(),
            hash: Hash256::of(b"bundle"),
            bytes: 6,
            version: version.parse().unwrap(),
            quiet: None,
            artefact,
        };
        let command = CommandId::from_bytes([2; 16]);
        let order = Order::new(request(1), command, &scope, WallStamp::default()).unwrap();
        std::fs::create_dir(folder.path().join("update")).unwrap();
        let orders = Orders::new(&RealDisk, &folder.path().join("update"));
        orders.write(&Order { handed, ..order }).unwrap();
        folder
    }

    fn is_there(folder: &tempfile::TempDir) -> bool {
        Orders::new(&RealDisk, &folder.path().join("update")).read().unwrap().is_some()
    }

    #[test]
    fn an_order_for_which_nothing_was_changed_ends_and_one_that_has_begun_does_not() {
        for (artefact, version, handed, ends) in [
            (None, "1.5.0", false, true),
            (None, "1.5.0", true, false),
            (Some(Artefact::Models), "7", false, true),
            (Some(Artefact::Models), "7", true, true),
        ] {
            let unit = ordered(artefact, version, handed);
            let (recalled, order) = recall(unit.path(), request(1)).unwrap();
            assert_eq!(matches!(recalled, Recalled::Ended(_)), ends, "{version} {handed}: {recalled:?}");
            assert_eq!((order.is_some(), is_there(&unit)), (ends, !ends), "{version} {handed}");
        }
        let unit = ordered(Some(Artefact::Models), "7", true);
        let _being_put_to_use = Lock::artefact(&unit.path().join("update"), ModelSet::FOLDER).unwrap().unwrap();
        assert!(matches!(recall(unit.path(), request(1)).unwrap().0, Recalled::TooLate(_)));
        assert!(is_there(&unit));
    }

    #[test]
    fn a_set_that_is_in_use_has_begun_and_one_that_was_passed_over_and_ordered_anew_has_not() {
        let world = World::new();
        world.install(&world.set(7, "seven", |_| {}), &mut passes).unwrap();
        let orders = Orders::new(&RealDisk, &world.data.path().join("update"));
        let order = order_in(&ordered(Some(Artefact::Models), "7", true));
        std::fs::create_dir_all(world.data.path().join("update")).unwrap();
        orders.write(&order).unwrap();
        assert!(matches!(recall(world.data.path(), request(1)).unwrap().0, Recalled::TooLate(_)));
        world.sets().pass_over(&7, &"0.1.0".parse().unwrap(), "a file has rotted".to_owned()).unwrap();
        assert!(matches!(recall(world.data.path(), request(1)).unwrap().0, Recalled::Ended(_)));
    }

    fn order_in(folder: &tempfile::TempDir) -> Order {
        Orders::new(&RealDisk, &folder.path().join("update")).read().unwrap().unwrap()
    }

    #[test]
    fn the_order_of_another_request_is_let_alone() {
        let unit = ordered(None, "1.5.0", false);
        assert_eq!(recall(unit.path(), request(9)).unwrap(), (Recalled::NotThere, None));
        assert!(is_there(&unit));
    }
}
