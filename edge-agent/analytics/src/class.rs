//! The six road users, the names that manifests and configurations give them, and which of them carry plates.

use minicbor::{Decode, Encode};

/// What a road user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum ObjectClass {
    /// A person on foot.
    #[n(0)]
    Person,
    /// A bicycle, with or without its rider.
    #[n(1)]
    Bicycle,
    /// A motorcycle or scooter.
    #[n(2)]
    Motorcycle,
    /// A passenger car, van or pick-up.
    #[n(3)]
    Car,
    /// A bus or coach.
    #[n(4)]
    Bus,
    /// A lorry.
    #[n(5)]
    Truck,
}

impl ObjectClass {
    /// Every class, in the order of the shipped model.
    pub const ALL: [Self; 6] = [Self::Person, Self::Bicycle, Self::Motorcycle, Self::Car, Self::Bus, Self::Truck];

    /// The name in manifests, configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Bicycle => "bicycle",
            Self::Motorcycle => "motorcycle",
            Self::Car => "car",
            Self::Bus => "bus",
            Self::Truck => "truck",
        }
    }

    /// The class of a name; names of other things (COCO's bench, say) have none.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Whether road users of this class carry a licence plate.
    pub fn carries_plate(self) -> bool {
        match self {
            Self::Motorcycle | Self::Car | Self::Bus | Self::Truck => true,
            Self::Person | Self::Bicycle => false,
        }
    }

    /// Position in [`ObjectClass::ALL`], for tables per class.
    pub fn index(self) -> usize {
        match self {
            Self::Person => 0,
            Self::Bicycle => 1,
            Self::Motorcycle => 2,
            Self::Car => 3,
            Self::Bus => 4,
            Self::Truck => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_found_by_its_own_name_and_place() {
        for (place, class) in ObjectClass::ALL.into_iter().enumerate() {
            assert_eq!(ObjectClass::parse(class.as_str()), Some(class));
            assert_eq!(class.index(), place);
        }
        assert_eq!(ObjectClass::parse("bench"), None);
    }
}
