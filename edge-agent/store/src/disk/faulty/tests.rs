use super::*;

#[test]
#[cfg(not(feature = "sabotage-fsync-off"))]
fn synced_bytes_survive_every_cut_and_others_survive_some() {
    let disk = FaultyDisk::new(Plan::none());
    let mut file = disk.create(Path::new("/f")).unwrap();
    file.write_all_at(&[7; 2000], 0).unwrap();
    file.sync().unwrap();
    disk.sync_folder(Path::new("/")).unwrap();
    file.write_all_at(&[9; 2000], 2000).unwrap();
    file.write_all_at(&[9; 10], 0).unwrap();
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..64 {
        let after = disk.after_power_cut(seed);
        let file = after.open(Path::new("/f")).unwrap();
        let mut old = [0; 1990];
        file.read_exact_at(&mut old, 10).unwrap();
        assert_eq!(old, [7; 1990], "seed {seed}");
        if file.length().unwrap() == 4000 { kept += 1 } else { lost += 1 }
    }
    assert!(kept > 5 && lost > 5, "kept {kept}, lost {lost}");
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = FaultyDisk::new(Plan { capacity: Some(100), ..Plan::none() });
    let mut file = disk.create(Path::new("/f")).unwrap();
    file.write_all_at(&[1; 80], 0).unwrap();
    assert_eq!(file.write_all_at(&[2; 80], 80).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.length().unwrap(), 100);
}

#[test]
fn after_the_cut_nothing_works() {
    let disk = FaultyDisk::new(Plan { crash_at: Some(2), ..Plan::none() });
    let mut file = disk.create(Path::new("/f")).unwrap();
    assert!(file.sync().is_err());
    assert!(disk.crashed());
    assert!(file.write_all_at(b"x", 0).is_err());
    assert!(disk.remove(Path::new("/f")).is_err());
}
