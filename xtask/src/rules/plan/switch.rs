//! Only the traffic moves.

use anyhow::Result;

use super::step::Step;
use super::{Plan, align, end_of_routes, planned};
use crate::rules::config::Config;
use crate::rules::failure::Kind;
use crate::rules::host::observed::Observed;
use crate::rules::host::preflight;
use crate::rules::release::Slot;

/// Traffic to a slot that runs a healthy version already; boots nothing, stops nothing.
///
/// # Errors
/// [`Kind::Preflight`] where no healthy version runs in that slot.
pub fn switch(config: &Config, observed: &Observed, to: Slot) -> Result<Plan> {
    let switching = preflight::host(config, observed, preflight::bypasses(observed).into_iter().collect())?;
    let live = observed.live();
    let occupant = observed.occupant(to).filter(|container| container.running());
    let Some(release) = occupant.and_then(|container| container.release.clone()) else {
        let text = format!("slot {to} runs no release, so traffic stays where it is; `deploy` or `rollback` boots one");
        return Err(Kind::Preflight.error(text));
    };
    if observed.held().is_some_and(|(slot, _)| slot == to) {
        let text =
            format!("release {release} is held in slot {to}: `promote` gives it the traffic, `abort` removes it");
        return Err(Kind::Preflight.error(text));
    }
    let missing = observed.missing_in(config, to, Some(&release));
    if !missing.is_empty() {
        let text =
            format!("slot {to} does not run {} of release {release}, so traffic stays where it is", missing.join(", "));
        return Err(Kind::Preflight.error(text));
    }
    // Where no traffic moves, what is held stays so.
    let mut steps: Vec<Step> =
        end_of_routes(observed, to).filter(|_| live != Some(to) || observed.held().is_none()).into_iter().collect();
    steps.extend(align(config, observed, switching, live));
    steps.push(Step::AwaitHealth { slot: to });
    if live != Some(to) {
        steps.push(Step::Switch { switching, to });
    }
    steps.push(Step::Verify { slot: to });
    Ok(planned(observed, &release, to, steps))
}
