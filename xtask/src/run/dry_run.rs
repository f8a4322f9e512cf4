//! What would be done, without doing it.

use serde::Serialize;

use crate::rules::plan::Plan;
use crate::rules::release::{ReleaseId, Slot};

/// A plan as `--dry-run` shows it.
#[derive(Serialize)]
pub struct DryRun {
    pub release: ReleaseId,
    pub live_slot: Option<Slot>,
    pub live_release: Option<ReleaseId>,
    pub steps: Vec<String>,
}

impl DryRun {
    pub fn of(plan: &Plan) -> DryRun {
        let steps = plan.steps.iter().map(|step| step.title(&plan.release)).collect();
        DryRun { release: plan.release.clone(), live_slot: plan.from, live_release: plan.from_release.clone(), steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::plan::{self, TestStage};
    use crate::testing::fixtures::{config, release, server};

    #[test]
    fn a_dry_run_reads_like_this() {
        let plan = plan::deploy(&config(), &server(Slot::Blue, 2), &release(9), TestStage::Run).unwrap();
        insta::assert_snapshot!("text", plan.describe());
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&DryRun::of(&plan)).unwrap());
    }
}
