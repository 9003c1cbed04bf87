use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::ctx::Random;
use crate::db::{DatabaseUrl, Db, DbError};
use crate::time::Timestamp;

fn random() -> Random {
    Random::seeded(1)
}

fn refused(result: Result<Secret<Vec<u8>>, SecretsError>) -> bool {
    matches!(result, Err(SecretsError::Refused | SecretsError::UnknownKey(_)))
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_any_changed_bit_is_refused(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200),
        context in proptest::collection::vec(any::<u8>(), 0..40),
        at in any::<proptest::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let keyring = Keyring::for_tests();
        let sealed = keyring.seal("mail", &context, &plaintext, &Random::System).unwrap();
        let opened = keyring.open("mail", &context, &sealed).ok().unwrap();
        prop_assert_eq!(opened.expose(), &plaintext);
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= 1 << bit;
        prop_assert!(refused(keyring.open("mail", &context, &changed)));
        let cut = at.index(sealed.len());
        prop_assert!(refused(keyring.open("mail", &context, &sealed[..cut])));
    }

    #[test]
    fn another_purpose_or_context_is_refused(purpose in "[a-z]{1,8}", context in "[a-z]{0,8}", moved in 0_usize..8) {
        let keyring = Keyring::for_tests();
        let sealed = keyring.seal_undeclared(&purpose, context.as_bytes(), b"secret", &Random::System).unwrap();
        let other = format!("{purpose}x");
        prop_assert!(refused(keyring.open(&other, context.as_bytes(), &sealed)));
        let other = format!("{context}x");
        prop_assert!(refused(keyring.open(&purpose, other.as_bytes(), &sealed)));
        // The border between purpose and context cannot be moved.
        let whole = format!("{purpose}{context}");
        let border = moved % whole.len();
        if border != purpose.len() {
            let (left, right) = whole.split_at(border);
            prop_assert!(refused(keyring.open(left, right.as_bytes(), &sealed)));
        }
    }
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let keyring = Keyring::for_tests();
    let random = random();
    assert_ne!(
        keyring.seal("mail", b"", b"x", &random).unwrap(),
        keyring.seal("mail", b"", b"x", &random).unwrap()
    );
}

#[test]
fn rotation_seals_with_the_new_key_and_opens_with_the_old_one() {
    let master = MasterKey::generate(&random());
    let (keyring, mut records) = Keyring::create(master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    let old = keyring.seal("mail", b"a", b"old", &Random::System).unwrap();
    let csrf = keyring.derive("csrf");

    let later = Timestamp::from_micros(5);
    let record = keyring.rotate(later, &Random::System).unwrap();
    assert_eq!(keyring.current(), Some((1, Timestamp::EPOCH)), "not in use before it is stored");
    keyring.clone().install(&record).unwrap();
    records.push(record);
    assert_eq!(keyring.current(), Some((2, later)));

    let new = keyring.seal("mail", b"a", b"new", &Random::System).unwrap();
    assert_eq!((sealed_key_id(&old), sealed_key_id(&new)), (Some(1), Some(2)));

    let restarted = Keyring::from_records(master, &records).unwrap();
    assert_eq!(restarted.open("mail", b"a", &old).ok().unwrap().expose(), b"old");
    assert_eq!(restarted.open("mail", b"a", &new).ok().unwrap().expose(), b"new");
    assert_eq!(restarted.derive("csrf"), csrf);
    assert_ne!(restarted.derive("pepper"), csrf);
}

#[test]
fn a_node_that_has_not_seen_the_new_key_names_it() {
    let master = MasterKey::generate(&random());
    let (first, records) = Keyring::create(master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    let second = Keyring::from_records(master, &records).unwrap();
    let record = first.rotate(Timestamp::EPOCH, &Random::System).unwrap();
    first.install(&record).unwrap();
    let sealed = first.seal("mail", b"", b"x", &Random::System).unwrap();
    assert!(matches!(second.open("mail", b"", &sealed), Err(SecretsError::UnknownKey(2))));
    second.install(&record).unwrap();
    assert_eq!(second.open("mail", b"", &sealed).ok().unwrap().expose(), b"x");
}

#[test]
fn a_new_master_key_opens_everything_and_the_old_one_nothing() {
    let old_master = MasterKey::from_bytes([1; 32]);
    let (keyring, _) = Keyring::create(old_master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    keyring.install(&keyring.rotate(Timestamp::EPOCH, &Random::System).unwrap()).unwrap();
    let sealed = keyring.seal("mail", b"", b"x", &Random::System).unwrap();
    let derived = keyring.derive("csrf");

    let new_master = MasterKey::from_bytes([2; 32]);
    let records = keyring.rewrap(&new_master, &Random::System).unwrap();
    assert_eq!(records.iter().map(|record| record.id).collect::<Vec<_>>(), [0, 1, 2]);
    let restarted = Keyring::from_records(new_master.clone(), &records).unwrap();
    assert_eq!(restarted.open("mail", b"", &sealed).ok().unwrap().expose(), b"x");
    assert_eq!(restarted.derive("csrf"), derived);
    assert!(matches!(Keyring::from_records(old_master, &records), Err(SecretsError::WrongMasterKey)));
    assert_ne!(keyring.master_id(), restarted.master_id());
}

#[test]
fn a_wrapped_key_cannot_take_another_id() {
    let master = MasterKey::from_bytes([1; 32]);
    let (_, mut records) = Keyring::create(master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    records[1].id = 2;
    assert!(matches!(Keyring::from_records(master, &records), Err(SecretsError::WrongMasterKey)));
}

#[test]
fn no_records_or_no_root_is_an_error() {
    let master = MasterKey::from_bytes([1; 32]);
    let (_, records) = Keyring::create(master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    assert!(matches!(Keyring::from_records(master.clone(), &[]), Err(SecretsError::NoKeys)));
    assert!(matches!(Keyring::from_records(master.clone(), &records[..1]), Err(SecretsError::NoKeys)));
    assert!(matches!(Keyring::from_records(master, &records[1..]), Err(SecretsError::NoKeys)));
}

#[test]
fn the_first_start_makes_a_key_file_of_mode_600_and_the_second_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys/master.key");
    let (first, records) = open_keyring(&path, &[], Timestamp::EPOCH, &Random::System).unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (second, new) = open_keyring(&path, &records, Timestamp::EPOCH, &Random::System).unwrap();
    assert!(new.is_empty());
    assert_eq!(first.derive("csrf"), second.derive("csrf"));
}

#[test]
fn a_lost_key_file_is_not_replaced_while_the_store_holds_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let (_, records) = open_keyring(&path, &[], Timestamp::EPOCH, &Random::System).unwrap();
    std::fs::remove_file(&path).unwrap();
    let Err(error) = open_keyring(&path, &records, Timestamp::EPOCH, &Random::System) else { panic!() };
    assert!(matches!(error, SecretsError::Missing { .. }));
    assert!(!path.exists());
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    MasterKey::generate(&random()).save(&path).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o622] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let Err(error) = MasterKey::load(&path) else { panic!("mode {mode:o} was accepted") };
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    assert!(MasterKey::load(&path).is_ok());
}

#[test]
fn a_key_file_is_never_overwritten_and_a_broken_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    MasterKey::generate(&random()).save(&path).unwrap();
    assert!(matches!(MasterKey::generate(&random()).save(&path), Err(SecretsError::Unwritable { .. })));
    for text in ["", "not base64!", "YWJj\n", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAA\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(MasterKey::load(&path), Err(SecretsError::Malformed { .. })), "{text:?}");
    }
}

#[tokio::test]
async fn keys_live_in_the_store_and_every_node_learns_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(&DatabaseUrl::Sqlite(folder.path().join("test.db"))).await.unwrap();
    assert!(records::load(&db).await.unwrap().is_empty());
    let old_master = MasterKey::from_bytes([1; 32]);
    let (first, new) = Keyring::create(old_master.clone(), Timestamp::EPOCH, &Random::System).unwrap();
    records::save(&db, new.clone()).await.unwrap();
    assert!(matches!(records::save(&db, new).await, Err(DbError::Unique(_))), "a second node starts over");
    let second = Keyring::from_records(old_master.clone(), &records::load(&db).await.unwrap()).unwrap();

    assert_eq!(records::rotate(&db, &first, Timestamp::EPOCH, &Random::System).await.unwrap(), 2);
    let sealed = first.seal("mail", b"", b"x", &Random::System).unwrap();
    assert!(matches!(second.open("mail", b"", &sealed), Err(SecretsError::UnknownKey(2))));
    records::refresh(&db, &second).await.unwrap();
    assert_eq!(second.open("mail", b"", &sealed).ok().unwrap().expose(), b"x");
}

#[test]
fn what_no_rotation_would_find_is_not_sealed() {
    let keyring = Keyring::for_tests();
    let Err(error) = keyring.seal("nobody declared this", b"", b"x", &random()) else { panic!("sealed") };
    assert!(error.to_string().contains("declare a holding"), "{error}");
    assert!(keyring.seal("mail", b"", b"x", &random()).is_ok());
}
