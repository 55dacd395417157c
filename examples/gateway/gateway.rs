//! What is in force: gates by server, and how a file replaces them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use portcullis::SessionKeys;
use portcullis::audit::{Event, EventKind};
use portcullis::settings::{Problem, Sources};
use portcullis::telemetry::Telemetry;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::behind::End;
use crate::config::{Authentication, Config, File};
use crate::gate::{self, Gated, Shared};
use crate::local::{self, Issuers};
use crate::plan::Plan;
use crate::routes::{Routes, Stage};

/// The running gateway.
pub struct Gateway {
    path: PathBuf,
    grace: Duration,
    routes: ArcSwap<Routes>,
    shared: Shared,
    pub telemetry: Telemetry,
    state: Mutex<State>,
}

struct State {
    /// As it was at the start.
    started: Config,
    gates: BTreeMap<String, Running>,
    /// By server, for as long as the process lasts: a changed gate keeps its sessions.
    sessions: HashMap<String, SessionKeys>,
    issuers: Issuers,
}

/// A gate in force.
struct Running {
    plan: Plan,
    sources: Sources,
    gated: Gated,
    paths: Vec<String>,
    keys: Option<Bytes>,
    end: End,
    stage: watch::Sender<Stage>,
    /// Ended with it.
    _tasks: JoinSet<()>,
}

impl Gateway {
    /// Puts the file in force.
    pub async fn start(file: &File, shared: Shared) -> Result<Self, Problem> {
        let gateway = Self {
            path: file.path().to_owned(),
            grace: Duration::from_secs(file.config().grace_seconds.unwrap_or(30)),
            routes: ArcSwap::default(),
            shared,
            telemetry: Telemetry::new(),
            state: Mutex::new(State {
                started: file.config().clone(),
                gates: BTreeMap::new(),
                sessions: HashMap::new(),
                issuers: Issuers::default(),
            }),
        };
        gateway.apply(file).await?;
        Ok(gateway)
    }

    /// What answers the next request.
    pub fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Reads the file again. It comes into force as a whole or not at all.
    pub async fn reload(&self) {
        let put = async { self.apply(&File::read(&self.path)?).await };
        let event = match put.await {
            Ok(changes) => {
                tracing::info!("the file is in force: {changes}");
                Event::new(EventKind::Reloaded).detail(changes)
            }
            Err(problem) => {
                let problem = problem.show(&self.path);
                tracing::error!("{problem}; what was in force stays so");
                Event::new(EventKind::Other).detail("the gateway's file cannot be used")
            }
        };
        self.shared.audit.log().record(event);
    }

    /// Says where the servers are, and how to try them where anybody may.
    pub async fn greet(&self) {
        let state = self.state.lock().await;
        for running in state.gates.values() {
            let Plan { name, resource, authentication, .. } = &running.plan;
            println!("{name} is at {resource}");
            if let Authentication::DangerDevelopment(settings) = &**authentication {
                for (person, token) in state.issuers.tokens(settings, resource) {
                    println!("\nas {person}, for 10 minutes:\n{}", local::curl(resource, &token));
                }
            }
        }
    }

    async fn apply(&self, file: &File) -> Result<String, Problem> {
        let state = &mut *self.state.lock().await;
        unchanged(&state.started, file.config())?;
        // Built aside: up to the last `?`, nothing has changed.
        let plans = Plan::all(file.config())?;
        // Before the gates, which fetch their keys at once.
        for plan in &plans {
            if let Authentication::DangerDevelopment(settings) = &*plan.authentication {
                state.issuers.start(settings).await?;
            }
        }
        let mut drafts = Vec::new();
        let mut kept = Vec::new();
        for plan in plans {
            let sources = file.sources(&file.config().secrets);
            let same = |it: &&Running| it.plan == plan && sources.are_as(&it.sources);
            if state.gates.get(&plan.name).filter(same).is_some() {
                kept.push(plan.name);
                continue;
            }
            let keys = state.sessions.entry(plan.name.clone()).or_insert_with(SessionKeys::random);
            let draft =
                gate::draft(&plan, &sources, &self.shared, keys.clone()).map_err(|problem| {
                    problem.at(&plan.server).about(format_args!("server {}", plan.name))
                })?;
            drafts.push((plan, sources, draft));
        }
        let of_kept = kept.iter().filter_map(|name| state.gates.get(name)).flat_map(|it| &it.paths);
        let paths = of_kept.chain(drafts.iter().flat_map(|(.., draft)| &draft.paths));
        let mut taken = Vec::new();
        for path in paths {
            if taken.contains(&path) {
                return Err(Problem::new(format!("two servers answer at {path}")));
            }
            taken.push(path);
        }
        let changes = format!("{} servers new or changed, {} as before", drafts.len(), kept.len());
        let mut ended = Vec::new();
        let gone = |name: &String| !kept.contains(name);
        for name in state.gates.keys().filter(|name| gone(name)).cloned().collect::<Vec<_>>() {
            self.telemetry.forget(&name);
            ended.extend(state.gates.remove(&name));
        }
        for (plan, sources, draft) in drafts {
            let mut tasks = JoinSet::new();
            tasks.spawn(draft.policy.watch());
            let running = Running {
                gated: (draft.enter)(&self.telemetry),
                paths: draft.paths,
                keys: draft.keys,
                end: draft.end,
                stage: watch::Sender::new(Stage::Open),
                _tasks: tasks,
                plan,
                sources,
            };
            state.gates.insert(running.plan.name.clone(), running);
        }
        self.routes.store(Arc::new(routes(&state.gates)));
        for running in ended {
            tokio::spawn(end(running, self.grace));
        }
        Ok(changes)
    }

    /// Ends all streams, and after the time that calls have, everything. `done` says that nothing is under way.
    pub async fn stop(&self, done: impl Future<Output = ()>) {
        self.telemetry.shut_down();
        let gates = std::mem::take(&mut self.state.lock().await.gates);
        let to = |stage| {
            for running in gates.values() {
                running.stage.send_replace(stage);
            }
        };
        to(Stage::Ending);
        let mut done = std::pin::pin!(done);
        if tokio::time::timeout(self.grace, done.as_mut()).await.is_err() {
            to(Stage::Over);
            let _ = tokio::time::timeout(Duration::from_secs(1), done).await;
            tracing::warn!("some requests were not finished in time");
        }
        let ends: JoinSet<()> = gates.into_values().map(|running| running.end).collect();
        ends.join_all().await;
        #[cfg(feature = "roster")]
        if let Some(roster) = &self.shared.roster
            && roster.flush().await.is_err()
        {
            tracing::warn!("the roster could not be written to its end");
        }
        self.shared.audit.flush().await;
    }
}

/// Ends the streams of a gate that is not in force any more, and later its calls.
async fn end(running: Running, grace: Duration) {
    running.stage.send_replace(Stage::Ending);
    tokio::time::sleep(grace).await;
    running.stage.send_replace(Stage::Over);
}

fn routes(gates: &BTreeMap<String, Running>) -> Routes {
    let mut routes = Routes::default();
    for running in gates.values() {
        for path in &running.paths {
            let gate = (running.gated.clone(), running.stage.subscribe());
            routes.gates.insert(path.clone(), gate);
        }
        if let Some(keys) = &running.keys {
            let path = format!("/.well-known/portcullis/{}/jwks.json", running.plan.name);
            routes.documents.insert(path, keys.clone());
        }
    }
    routes
}

/// What is taken or opened once: a second listener or a second writer of the audit file cannot be had beside
/// the first.
fn unchanged(started: &Config, now: &Config) -> Result<(), Problem> {
    let same = [
        ("listen", started.listen == now.listen),
        ("admin", started.admin == now.admin),
        ("audit", started.audit == now.audit),
        ("roster", started.roster == now.roster),
        ("grace_seconds", started.grace_seconds == now.grace_seconds),
        ("max_connections", started.max_connections == now.max_connections),
    ];
    match same.into_iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::new(format!("a change of `{name}` needs a restart"))),
    }
}
