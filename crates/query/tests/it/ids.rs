//! The stream of ids.

use std::sync::Arc;

use annals_query::{Query, QueryOptions};
use futures_util::{FutureExt, StreamExt};

use crate::desk::Desk;
use crate::{all, id, next};

#[tokio::test]
async fn each_id_is_listed_once_and_resumes_at_each_offset() {
    let desk = Arc::new(Desk::new());
    for seq_nr in 1..=3 {
        for entity in 0..7 {
            desk.commit(&id(&format!("e|{entity}")), seq_nr);
        }
    }
    for page in [1, 3, 100] {
        let options = QueryOptions::default().with_page_events_max(page);
        let query = Query::new(desk.clone()).with_options(options);
        let listed = all(query.current_persistence_ids(None)).await;
        let names: Vec<&str> = listed.iter().map(|entry| entry.persistence_id.as_str()).collect();
        assert_eq!(names, ["e|0", "e|1", "e|2", "e|3", "e|4", "e|5", "e|6"]);
        for (index, entry) in listed.iter().enumerate() {
            let rest = all(query.current_persistence_ids(Some(entry.offset.clone()))).await;
            assert_eq!(rest, listed[index + 1..]);
        }
    }
}

#[tokio::test]
async fn a_live_listing_gives_new_ids_only() {
    let desk = Arc::new(Desk::new());
    let mut stream = Query::new(desk.clone()).persistence_ids(None);
    for entity in ["a", "b", "c"] {
        for seq_nr in 1..=2 {
            desk.commit(&id(entity), seq_nr);
            if seq_nr == 1 {
                assert_eq!(next(&mut stream).await.persistence_id, id(entity));
            }
            assert!(stream.next().now_or_never().is_none());
        }
    }
}

#[tokio::test]
async fn a_live_listing_without_an_order_gives_each_id_once() {
    let desk = Arc::new(Desk::unordered());
    desk.commit(&id("old"), 1);
    for page in [1, 3] {
        let options = QueryOptions::default().with_page_events_max(page);
        let mut stream = Query::new(desk.clone()).with_options(options).persistence_ids(None);
        while let Some(entry) = stream.next().now_or_never() {
            entry.unwrap().unwrap();
        }
        // Each stands before those that were listed.
        for entity in ["a", "b"].map(|name| id(&format!("{name}-{page}"))) {
            for seq_nr in 1..=2 {
                desk.commit(&entity, seq_nr);
                if seq_nr == 1 {
                    assert_eq!(next(&mut stream).await.persistence_id, entity);
                }
                assert!(stream.next().now_or_never().is_none());
            }
        }
    }
}
