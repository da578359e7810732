use super::*;

const TOKEN: TimeDelta = TimeDelta::seconds(300);

fn plan(lead: i64, overlap: i64) -> Rotation {
    Rotation {
        lead: TimeDelta::seconds(lead),
        overlap: TimeDelta::seconds(overlap),
        lifetime: TimeDelta::days(90),
        token_lifetime: TOKEN,
    }
}

fn file(now: DateTime<Utc>, lifetime: TimeDelta) -> KeyFile {
    let mut keys = KeyFile::default();
    keys.generate(now, lifetime).expect("a key");
    keys
}

#[test]
fn at_every_moment_of_a_rotation_one_key_signs_and_its_tokens_outlive_nothing() {
    let start = DateTime::UNIX_EPOCH;
    for (lead, left) in [
        (0, 90 * 86_400),
        (60, 90 * 86_400),
        (60, 330),
        (3_600, 400),
        (60, 10),
    ] {
        let mut keys = file(start, TimeDelta::seconds(left));
        keys.rotate(start, plan(lead, 330)).expect("a rotation");
        for second in 0..5_000 {
            let now = start + TimeDelta::seconds(second);
            let place = keys.signer(now, TOKEN).expect("a key that signs");
            assert!(now + TOKEN <= keys.keys[place].not_after);
        }
        let after = start + TimeDelta::seconds(lead.min(left) + 331 + 30);
        let states = keys.states(after, TOKEN);
        assert_eq!(states, [KeyState::Over, KeyState::Signs], "{lead} {left}");
    }
}

#[test]
fn an_overlap_that_would_cut_tokens_short_is_refused() {
    let now = DateTime::UNIX_EPOCH;
    let mut keys = file(now, TimeDelta::days(1));
    assert!(keys.rotate(now, plan(60, 329)).is_err());
    assert_eq!(keys.keys.len(), 1);
}

#[test]
fn a_second_rotation_waits_for_the_first() {
    let now = DateTime::UNIX_EPOCH;
    let mut keys = file(now, TimeDelta::days(90));
    keys.rotate(now, plan(60, 600)).expect("the first");
    assert!(keys.rotate(now, plan(60, 600)).is_err());
    let later = now + TimeDelta::seconds(61);
    keys.rotate(later, plan(60, 600)).expect("the second");
    assert_eq!(keys.keys.len(), 3);
}

#[test]
fn the_only_key_that_signs_stays() {
    let now = DateTime::UNIX_EPOCH;
    let mut keys = file(now, TimeDelta::days(90));
    let only = keys.keys[0].kid.clone();
    assert!(keys.clone().retire(&only, now, TOKEN).is_err());
    keys.rotate(now, plan(60, 600)).expect("a rotation");
    assert!(keys.clone().retire(&only, now, TOKEN).is_err());
    let later = now + TimeDelta::seconds(60);
    keys.retire(&only, later, TOKEN).expect("another signs");
    assert_eq!(keys.keys.len(), 1);
}

#[test]
fn a_draft_that_was_left_behind_lends_its_mode_to_nothing() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("signing.json");
    let draft = path.with_extension("new");
    fs::write(&draft, "half a file").expect("a draft");
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o666)).expect("a mode");
    let keys = file(DateTime::UNIX_EPOCH, TimeDelta::days(90));
    keys.write(&path, None).expect("written");
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!draft.exists());
}
