//! Answers that come long after their transfer, from a server that thinks it is still in it.

use std::time::Duration;

use super::story::{Story, id};
use crate::{Answer, LinkId, Phase};

/// What a target may say of its transfer, and what a source may.
fn everything(story: &mut Story, link: u32, epoch: u64, transfer: u128) -> Vec<String> {
    let transfer_id = id(transfer);
    let mut lines = Vec::new();
    for _ in 0..2 {
        lines.extend(story.answer(
            link,
            epoch,
            Answer::Adopted {
                transfer: transfer_id,
            },
        ));
        lines.extend(story.answer(
            link,
            epoch,
            Answer::Committed {
                transfer: transfer_id,
            },
        ));
        lines.extend(story.frozen(link, epoch, transfer, 99));
    }
    lines
}

#[test]
fn a_commit_sixty_seconds_late_is_ignored() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    // The target does not answer in time: the source goes on.
    assert!(story.late().ends_with(&["ended aborted".to_owned()]));
    story.now = story.now + Duration::from_secs(60);
    assert_eq!(everything(&mut story, 1, 2, 1), [""; 0]);
    assert_eq!(story.session.phase(), Phase::Settled);
    assert_eq!(story.session.forwards(), Some(LinkId(0)));
    assert!(!story.session.accepts_output(LinkId(1)));
    assert_eq!(story.world.places, [1, 0, 0]);
}

#[test]
fn two_targets_that_answer_make_one_authority() {
    let mut story = Story::settled();
    story.transfer(1);
    story.opened(1);
    story.frozen(0, 2, 1, 0);
    story.late();
    // Another target is on its way to be the authority, and the first answers at every step of it.
    story.transfer(2);
    let first = |story: &mut Story| assert_eq!(everything(story, 1, 2, 1), [""; 0]);
    first(&mut story);
    story.opened(2);
    first(&mut story);
    story.frozen(0, 3, 2, 0);
    first(&mut story);
    let committing = story.answer(2, 3, Answer::Adopted { transfer: id(2) });
    assert_eq!(committing, ["commit(true) 2 @3"]);
    first(&mut story);
    let done = story.answer(2, 3, Answer::Committed { transfer: id(2) });
    assert!(done.ends_with(&["ended done".to_owned()]), "{done:?}");
    first(&mut story);
    assert_eq!(story.session.forwards(), Some(LinkId(2)));
    assert!(story.session.accepts_output(LinkId(2)));
    assert!(!story.session.accepts_output(LinkId(0)) && !story.session.accepts_output(LinkId(1)));
    assert_eq!(story.world.places, [0, 0, 1]);
    // Nor does the new authority's own commit count twice, or under the epoch before.
    for epoch in [3, 2] {
        assert_eq!(everything(&mut story, 2, epoch, 2), [""; 0]);
    }
    assert_eq!(story.session.phase(), Phase::Settled);
}
