//! What a query is to Cedar.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
    Schema,
};
use portcullis_core::{Principal, TargetKind};
use portcullis_rbac::Query;
use serde_json::{Map, Value};

use super::arguments::{self, Declared};
use crate::naming::Naming;
use crate::usage;

/// The names of what the schema defines, parsed once.
#[derive(Debug)]
pub(super) struct Names {
    user: EntityTypeName,
    client: EntityTypeName,
    group: EntityTypeName,
    role: EntityTypeName,
    agent: EntityTypeName,
    server: EntityTypeName,
    tool: EntityTypeName,
    prompt: EntityTypeName,
    resource: EntityTypeName,
    template: EntityTypeName,
    action: EntityTypeName,
}

/// What is known of a caller, whatever they ask.
#[derive(Debug)]
pub(super) struct Who {
    uid: EntityUid,
    entities: Entities,
    context: Vec<(String, RestrictedExpression)>,
}

/// What a query is about.
#[derive(Debug)]
pub(super) struct What {
    pub(super) uid: EntityUid,
    pub(super) server: Option<EntityUid>,
    entity: Entity,
}

impl Names {
    pub(super) fn new() -> Option<Self> {
        let of = |name: &str| format!("MCP::{name}").parse::<EntityTypeName>().ok();
        Some(Self {
            user: of("User")?,
            client: of("Client")?,
            group: of("Group")?,
            role: of("Role")?,
            agent: of("Agent")?,
            server: of("Server")?,
            tool: of("Tool")?,
            prompt: of("Prompt")?,
            resource: of("Resource")?,
            template: of("ResourceTemplate")?,
            action: of("Action")?,
        })
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn time(unix: Duration) -> Option<RestrictedExpression> {
    let seconds = i64::try_from(unix.as_secs()).ok()?;
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(RestrictedExpression::new_datetime(time.to_string()))
}

impl Who {
    /// `None` where the caller has no name, or not only theirs. `base` has the actions.
    pub(super) fn of(
        principal: &Principal,
        naming: &Naming,
        names: &Names,
        base: &Entities,
        schema: &Schema,
    ) -> Option<Self> {
        if naming.is_stranger(principal) {
            return None;
        }
        let kind = if principal.is_client() { &names.client } else { &names.user };
        let of = |kind, name: &str| uid(kind, &naming.of(principal, name));
        let groups = principal.groups().iter().map(|group| of(&names.group, group));
        let roles = principal.roles().iter().map(|role| of(&names.role, role));
        let parents: HashSet<_> = groups.chain(roles).collect();
        let person = |uid, issuer: &str, subject: &str, parents| {
            let attributes = HashMap::from([
                ("issuer".to_owned(), text(issuer)),
                ("subject".to_owned(), text(subject)),
            ]);
            Entity::new(uid, attributes, parents).ok()
        };
        let me = of(kind, principal.subject());
        let (issuer, subject) = (principal.issuer(), principal.subject());
        let mut entities = vec![person(me.clone(), issuer, subject, parents)?];
        let mut agents = Vec::new();
        for actor in principal.actors() {
            let agent = uid(&names.agent, &naming.of_actor(principal, actor)?);
            if !agents.contains(&agent) {
                let issuer = actor.issuer().unwrap_or(issuer);
                entities.push(person(agent.clone(), issuer, actor.subject(), HashSet::new())?);
                agents.push(agent);
            }
        }
        let entities = base.clone().add_entities(entities, Some(schema)).ok()?;
        Some(Self { uid: me, entities, context: context(principal, agents)? })
    }
}

/// What the context says about the caller.
fn context(
    principal: &Principal,
    agents: Vec<EntityUid>,
) -> Option<Vec<(String, RestrictedExpression)>> {
    let mut pairs = Vec::with_capacity(6);
    let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
    let scopes = principal.scopes().iter().map(|scope| text(scope));
    put("scopes", RestrictedExpression::new_set(scopes));
    for (name, known) in [("tenant", principal.tenant()), ("client", principal.client_id())] {
        if let Some(known) = known {
            put(name, text(known));
        }
    }
    let mut signed_in = vec![("method".to_owned(), text(principal.method()))];
    if let Some(acr) = principal.claims().get("acr").and_then(Value::as_str) {
        signed_in.push(("acr".to_owned(), text(acr)));
    }
    if let Some(seconds) = principal.claims().get("auth_time").and_then(Value::as_u64) {
        signed_in.push(("time".to_owned(), time(Duration::from_secs(seconds))?));
    }
    put("authentication", RestrictedExpression::new_record(signed_in).ok()?);
    if let Some(actor) = agents.first() {
        put("actor", RestrictedExpression::new_entity_uid(actor.clone()));
    }
    let agents = agents.into_iter().map(RestrictedExpression::new_entity_uid);
    put("agents", RestrictedExpression::new_set(agents));
    Some(pairs)
}

impl What {
    pub(super) fn of(query: &Query<'_>, names: &Names) -> Option<Self> {
        let server = query.server().map(|server| uid(&names.server, server));
        let Some((kind, name)) = query.target() else {
            let uid = server.clone().unwrap_or_else(|| uid(&names.server, "server"));
            return Some(Self { entity: Entity::with_uid(uid.clone()), server, uid });
        };
        let (kind, attribute) = match usage::kind(query).unwrap_or(kind) {
            TargetKind::Tool => (&names.tool, "name"),
            TargetKind::Prompt => (&names.prompt, "name"),
            TargetKind::Resource => (&names.resource, "uri"),
            TargetKind::ResourceTemplate => (&names.template, "uri"),
            _ => return None,
        };
        let id = match query.server() {
            // Its slashes are not the one between server and name.
            Some(server) => {
                format!("{}/{name}", server.replace('%', "%25").replace('/', "%2F"))
            }
            None => name.to_owned(),
        };
        let uid = uid(kind, &id);
        let attributes = HashMap::from([(attribute.to_owned(), text(name))]);
        let parents = server.iter().cloned().collect();
        Some(Self { entity: Entity::new(uid.clone(), attributes, parents).ok()?, server, uid })
    }
}

/// All entities that a request is about.
pub(super) fn entities(who: &Who, what: &What, schema: &Schema) -> Option<Entities> {
    who.entities.clone().add_entities([what.entity.clone()], Some(schema)).ok()
}

/// The context, but for the action the same in every request about a query. `None` where an argument
/// is not what the schema says.
pub(super) fn pairs(
    who: &Who,
    query: &Query<'_>,
    declared: &Declared,
    now: Duration,
) -> Option<Vec<(String, RestrictedExpression)>> {
    let sent: Map<String, Value> = match query.arguments() {
        Some(sent) if !declared.is_empty() => serde_json::from_slice(sent.json()).ok()?,
        _ => Map::new(),
    };
    let mut pairs = who.context.clone();
    pairs.push(("arguments".to_owned(), arguments::of(&sent, declared)?));
    pairs.push(("listing".to_owned(), RestrictedExpression::new_bool(query.is_listing())));
    pairs.push(("mcpVersion".to_owned(), text(query.version().as_str())));
    pairs.push(("now".to_owned(), time(now)?));
    Some(pairs)
}

/// The request for `action`, checked against the schema.
pub(super) fn request(
    (who, action, what): (&Who, &str, &What),
    pairs: Vec<(String, RestrictedExpression)>,
    names: &Names,
    schema: &Schema,
) -> Option<Request> {
    let action = uid(&names.action, action);
    let context = Context::from_pairs(pairs).ok()?;
    Request::new(who.uid.clone(), action, what.uid.clone(), context, Some(schema)).ok()
}
