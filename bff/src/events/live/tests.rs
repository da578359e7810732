use super::*;
use crate::identity::Role;

/// The change of a user's that is at `place`.
fn change(user_id: Uuid, place: u64) -> Signal {
    let data = serde_json::json!({ "user_id": user_id });
    Signal::Event(Delivery {
        id: Uuid::from_u128(place.into()),
        place,
        event_type: "evt.accounts.user.updated.v1".into(),
        data: data.to_string().into(),
        traceparent: None,
        aggregate_id: user_id,
        occurred_at: DateTime::UNIX_EPOCH,
        deliveries: 1,
    })
}

#[tokio::test]
async fn a_stream_that_has_no_room_for_a_change_ends_after_what_waits_in_it() {
    let live = Live::new(&StreamSettings {
        waiting: 4,
        max_per_user: 1,
        ..StreamSettings::default()
    });
    for stream in [Stream::Accounts, Stream::Orders] {
        let (after, latest) = (0, 0);
        live.hear(stream, Signal::Reset { after, latest });
    }
    let caller = Caller {
        user_id: Uuid::from_u128(1),
        session_id: Uuid::from_u128(2),
        role: Role::Customer,
    };
    let mut slow = live.open(&caller, None).unwrap();
    for place in 1..=4 {
        live.hear(Stream::Accounts, change(caller.user_id, place));
    }
    assert_eq!(live.open(&caller, None).unwrap_err(), Full::User);
    live.hear(Stream::Accounts, change(caller.user_id, 5));
    let _next = live.open(&caller, None).expect("its place is free");
    for place in 1..=4 {
        let note = slow.next().await;
        let Some(Note::Change(change)) = note else {
            panic!("{note:?}")
        };
        assert_eq!(change.position.accounts, place);
    }
    let end = slow.next().await;
    assert!(matches!(end, Some(Note::End(End::TooSlow))), "{end:?}");
    assert!(slow.next().await.is_none());
}
