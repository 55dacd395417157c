//! What an expression may hold, so that what it costs has a bound.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};

/// The longest expression, in bytes.
pub(super) const MAX_LENGTH: usize = 4096;
/// The most parts of an expression, with those of macros.
const MAX_PARTS: usize = 400;

/// What expressions can look at.
pub(super) const ROOTS: [&str; 7] =
    ["arguments", "caller", "listing", "method", "now", "target", "version"];

/// What an expression looks at.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    pub(super) at_arguments: bool,
    pub(super) at_groups: bool,
    /// The names of members of arguments, and perhaps of other things.
    pub(super) names: BTreeSet<String>,
}

impl Looks {
    pub(super) fn and(mut self, other: Self) -> Self {
        self.at_arguments |= other.at_arguments;
        self.at_groups |= other.at_groups;
        self.names.extend(other.names);
        self
    }
}

/// Operators and functions whose cost is that of reading what they are given.
fn is_allowed(function: &str) -> bool {
    matches!(
        function,
        operators::CONDITIONAL
            | operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::SUBSTRACT
            | operators::ADD
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::GREATER_EQUALS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::LESS
            | operators::NEGATE
            | operators::INDEX
            | operators::NOT_STRICTLY_FALSE
            | operators::IN
            | "contains"
            | "endsWith"
            | "size"
            | "startsWith"
    )
}

/// Refuses what has no bound, what nobody defines, and what would be an error each time.
pub(super) fn check(expression: &IdedExpr) -> Result<Looks, String> {
    let mut walk = Walk { parts: 0, looks: Looks::default(), item: None };
    walk.enter(expression)?;
    Ok(walk.looks)
}

struct Walk<'a> {
    parts: usize,
    looks: Looks,
    /// The variable of the macro that this is in.
    item: Option<&'a str>,
}

impl<'a> Walk<'a> {
    fn enter(&mut self, expression: &'a IdedExpr) -> Result<(), String> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(format!("it has more than {MAX_PARTS} parts"));
        }
        match &expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(root) if root == "caller" && self.item != Some("caller") => {
                    // Claims may say what groups say.
                    self.looks.at_groups |= matches!(&*select.field, "groups" | "claims");
                    Ok(())
                }
                operand => {
                    if !matches!(operand, Expr::Ident(root) if root == "target") {
                        self.looks.names.insert(select.field.clone());
                    }
                    self.enter(&select.operand)
                }
            },
            Expr::Call(call) => {
                if !is_allowed(&call.func_name) {
                    return Err(format!("there is no function {:?} here", call.func_name));
                }
                let name = match call.func_name.as_str() {
                    operators::INDEX => call.args.get(1),
                    operators::IN => call.args.first(),
                    _ => None,
                };
                if let Some(Expr::Literal(LiteralValue::String(name))) = name.map(|name| &name.expr)
                {
                    self.looks.names.insert(name.inner().to_owned());
                }
                call.target
                    .iter()
                    .map(|target| &**target)
                    .chain(&call.args)
                    .try_for_each(|part| self.enter(part))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|part| self.enter(part)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.enter(&entry.key)?;
                    self.enter(&entry.value)
                }
                EntryExpr::StructField(_) => Err("there are no messages here".into()),
            }),
            Expr::Comprehension(each) => {
                let counts = matches!(
                    &each.accu_init.expr,
                    Expr::Literal(LiteralValue::Boolean(_) | LiteralValue::Int(_))
                );
                if !counts || each.iter_var2.is_some() {
                    return Err("of the macros there are has, all, exists and exists_one".into());
                }
                if self.item.is_some() {
                    return Err("a macro over items stands in another one".into());
                }
                if ROOTS.contains(&&*each.iter_var) {
                    return Err(format!("{:?} means something else already", each.iter_var));
                }
                self.enter(&each.iter_range)?;
                self.item = Some(&each.iter_var);
                let parts = [&each.loop_cond, &each.loop_step, &each.result];
                let inside = parts.into_iter().try_for_each(|part| self.enter(part));
                self.item = None;
                inside
            }
            Expr::Struct(_) => Err("there are no messages here".into()),
            _ => Err("a part of it has no meaning".into()),
        }
    }

    fn name(&mut self, name: &str) -> Result<(), String> {
        self.looks.at_arguments |= name == "arguments";
        match name {
            // As a whole it could be searched for groups by any name.
            "caller" => Err("of `caller` one member at a time can be used".into()),
            // How macros keep count.
            _ if ROOTS.contains(&name) || self.item == Some(name) || name.starts_with('@') => {
                Ok(())
            }
            _ => Err(format!("nothing is called {name:?} here")),
        }
    }
}
