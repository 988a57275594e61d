//! Stores, before and after they are configured.

use async_trait::async_trait;
use block::store::{Finding, Verdict};
use web::{
    api::{self, Applied, NewPlace, Place, Probe, ProbeRequest, Problem, ProblemCode, StoreSettings, StoreType, Unit},
    appliance::{Report, Result, Stores},
};

use super::{
    Control,
    configuration::{Draft, judge},
    kinds::{self, Filled, KINDS, Kind},
    problem,
};
use crate::{
    config::{Loaded, StoreSecrets, model::StoreConfig},
    stack,
};

/// The name under which a store is tested that has none yet.
const UNNAMED: &str = "new-store";

fn kind_of(settings: &StoreSettings, pointer: &str) -> Result<&'static dyn Kind> {
    kinds::by_key(&settings.r#type).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.key()).collect();
        Problem::new(ProblemCode::Invalid, "there is no such type of store")
            .remedy(format!("use one of: {}", known.join(", ")))
            .at(format!("{pointer}/type"))
    })
}

/// A store that is not kept: its settings, judged as the whole configuration would be with it.
struct Trial {
    loaded: Loaded,
    config: StoreConfig,
    secrets: StoreSecrets,
}

impl Control {
    /// Puts settings into a copy of the configuration.
    async fn trial(&self, kind: &dyn Kind, filled: Filled<'_>, name: Option<&str>) -> Result<Trial> {
        let view = self.handle.view();
        let mut texts = self.keeper.texts().await?;
        // Only this store is tested: what else is wrong is no reason against it.
        let known = name.unwrap_or(UNNAMED);
        let entry = filled.entry();
        let mut draft = Draft::only_secrets(&texts)?;
        draft.put_store(known, entry);
        texts = draft.texts();
        let mut loaded = judge(&view.loaded.file, &texts).map_err(|problem| Problem {
            detail: problem.detail.replace(&format!("store \"{known}\": "), ""),
            ..problem
        })?;
        // Locks and identities are those of this installation.
        loaded.config.run_dir = view.loaded.config.run_dir.clone();
        loaded.config.state_dir = view.loaded.config.state_dir.clone();
        let found = loaded.config.stores.iter().find(|store| store.name == known);
        let config = found.cloned().ok_or_else(|| problem::internal("the store got lost"))?;
        let secrets = loaded.secrets.of(known);
        debug_assert!(kind.is(&config.kind));
        Ok(Trial {
            loaded,
            config,
            secrets,
        })
    }

    /// The keys of the secrets that a configured store has.
    async fn kept(&self, name: Option<&str>, pointer: &str) -> Result<Vec<String>> {
        let Some(name) = name else { return Ok(Vec::new()) };
        let loaded = self.handle.view().loaded.clone();
        if !loaded.config.stores.iter().any(|store| store.name == name) {
            return Err(problem::not_found("store", name).at(pointer));
        }
        let draft = Draft::only_secrets(&self.keeper.texts().await?)?;
        Ok(draft.secrets_of(name))
    }
}

#[async_trait]
impl Stores for Control {
    fn types(&self) -> Vec<StoreType> {
        KINDS.iter().map(|kind| kind.describe()).collect()
    }

    async fn probe(&self, request: ProbeRequest, report: Report<'_>) -> Result<Probe> {
        let kind = kind_of(&request.settings, "/settings")?;
        let kept = self.kept(request.store.as_deref(), "/store").await?;
        let mut filled = Filled::read(kind, &request.settings, "/settings/values", &kept, true)?;
        let place = kind.describe().place_field.filter(|field| !filled.has(field));
        let without_place = place.is_some();
        if without_place {
            filled.stand_in();
        }
        let trial = self.trial(kind, filled, request.store.as_deref()).await?;
        report(0, 2, Unit::Steps);
        let (mut findings, places) = kind.explore(&trial.config, trial.secrets.clone()).await;
        report(1, 2, Unit::Steps);
        let reached = !findings.iter().any(|finding| finding.verdict == Verdict::Bad);
        if !without_place && kind.stand_in().is_some() && reached {
            // With a place everything can be tested; the same again, and more.
            findings = match stack::build(&trial.loaded, &trial.config) {
                Ok(store) => store.diagnose(request.image.as_deref()).await,
                Err(error) => vec![Finding::bad("settings", error.to_string(), "correct the settings")],
            };
        }
        report(2, 2, Unit::Steps);
        Ok(Probe {
            usable: !findings.iter().any(|finding| finding.verdict == Verdict::Bad),
            findings: findings.into_iter().map(api::Finding::from).collect(),
            places,
        })
    }

    async fn make_place(&self, place: NewPlace) -> Result<Place> {
        let kind = kind_of(&place.settings, "/settings")?;
        if kind.describe().place_field.is_none() {
            let detail = format!("stores of type \"{}\" have no places", kind.key());
            return Err(Problem::new(ProblemCode::Unsupported, detail));
        }
        // Of the secrets left out, those of a store in the same account would do; which that is nobody said.
        let mut filled = Filled::read(kind, &place.settings, "/settings/values", &[], true)?;
        filled.set_place(&place.name);
        filled.check_again().map_err(|problem| problem.at("/name"))?;
        let trial = self.trial(kind, filled, None).await?;
        kind.make_place(&trial.config, trial.secrets).await?;
        Ok(Place { name: place.name })
    }

    async fn set_store(&self, name: &str, settings: StoreSettings) -> Result<Applied> {
        let kind = kind_of(&settings, "")?;
        let loaded = self.handle.view().loaded.clone();
        let before = loaded.config.stores.iter().find(|store| store.name == name);
        let kept = match before {
            // Another kind has other secrets, even if they are called the same.
            Some(store) if kind.is(&store.kind) => self.kept(Some(name), "").await?,
            _ => Vec::new(),
        };
        let filled = Filled::read(kind, &settings, "/values", &kept, false)?;
        let entry = filled.entry();
        if kind.stand_in().is_none() {
            // What a store of this kind needs to be there is made at once: there is nothing to choose from.
            let again = Filled::read(kind, &settings, "/values", &kept, false)?;
            let trial = self.trial(kind, again, before.map(|_| name)).await?;
            kind.make_place(&trial.config, trial.secrets).await?;
        }
        let words = match before {
            Some(_) => format!("store {name} changed"),
            None => format!("store {name} added"),
        };
        let hidden = entry.secrets.iter().filter_map(|(_, secret)| secret.clone());
        self.recent.hide(hidden.flat_map(super::secrets::parts));
        let name = name.to_owned();
        let edit = move |draft: &mut Draft| {
            draft.put_store(&name, entry);
            Ok(())
        };
        self.keeper.change(words, edit).await
    }

    async fn forget_store(&self, name: &str) -> Result<Applied> {
        let words = format!("store {name} forgotten");
        let name = name.to_owned();
        let edit = move |draft: &mut Draft| draft.remove_store(&name);
        self.keeper.change_surely(words, edit).await
    }
}
