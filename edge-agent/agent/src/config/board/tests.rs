use super::*;

const EXAMPLE: &str = include_str!("../../../../docs/board.example.toml");

fn mistakes(text: &str) -> Vec<String> {
    match Board::parse(text) {
        Err(ConfigError::Mistakes(mistakes)) => mistakes.iter().map(ToString::to_string).collect(),
        other => panic!("expected mistakes, got {other:?}"),
    }
}

#[test]
fn the_commented_example_is_valid_and_fits_every_kind_of_part() {
    let board = Board::parse(EXAMPLE).unwrap();
    assert_eq!(board.temperatures.len(), 2);
    let TemperaturePart::Tmp117(place) = &board.temperatures[0].part else { panic!("{:?}", board.temperatures) };
    assert_eq!(place.address, 0x48);
    assert!(board.power.is_some() && board.accelerometer.is_some() && board.light.is_some());
    assert!(board.illuminator.is_some() && board.heater.is_some() && board.fan.is_some());
    assert!(board.led.is_some() && board.tamper.is_some() && board.button.is_some() && !board.triggers.is_empty());
}

#[test]
fn all_mistakes_are_told_at_once_with_their_keys() {
    let found = mistakes(
        "name = \"b\"\nzebra = 1\n[power]\nbus = \"/dev/i2c-1\"\naddress = 0x20\n[fan]\nchip = \"/dev/gpiochip0\"\n\
         line = 3\non_at = 40\noff_at = 50\n[led]\nchip = \"/dev/gpiochip0\"\nline = 3\n[illuminator]\nby = \"schedule\"\n\
         bus = \"/dev/i2c-1\"\naddress = 0x41\nfrom_utc = \"25:00\"\nto_utc = \"06:00\"\n",
    );
    for start in [
        "power.address: is 32; give a whole number from 64 to 79",
        "power.shunt_ohms: is missing",
        "fan.off_at: must lie below on_at",
        "illuminator.from_utc: is \"25:00\"",
        "zebra: is not a known key",
    ] {
        assert!(found.iter().any(|mistake| mistake.starts_with(start)), "{start} in {found:#?}");
    }
}

#[test]
fn a_thermal_zone_is_named_by_its_type_and_has_no_bus() {
    let zone = |keys: &str| format!("name = \"b\"\n[[temperature]]\nname = \"soc\"\npart = \"zone\"\n{keys}");
    let board = Board::parse(&zone("zone = \"soc-thermal\"\n")).unwrap();
    assert_eq!(board.temperatures[0].part, TemperaturePart::Zone("soc-thermal".to_owned()));
    let found = mistakes(&zone("bus = \"/dev/i2c-1\"\n"));
    let starts = ["temperature[0].zone: is missing", "temperature[0].bus: is not a known key"];
    assert!(starts.iter().all(|start| found.iter().any(|mistake| mistake.starts_with(start))), "{found:#?}");
}

#[test]
fn two_parts_cannot_share_a_line_and_a_fan_needs_a_thermometer() {
    let found = mistakes(
        "name = \"b\"\n[fan]\nchip = \"/dev/gpiochip0\"\nline = 3\n[led]\nchip = \"/dev/gpiochip0\"\nline = 3\n",
    );
    assert_eq!(
        found,
        [
            "fan: follows the first [[temperature]], and there is none; describe one",
            "led: has line 3 of /dev/gpiochip0, which another part has",
        ]
    );
}
