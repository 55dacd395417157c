//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing to complain about
  1  a complaint: the policy is not valid, a case failed, access was gained, …
  2  the command line is wrong
  3  an input cannot be read or used

Colour is used on terminals, unless NO_COLOR is set or --color says otherwise.
Lines are as long as COLUMNS says, 80 if it does not.
A file called - is standard input.";

/// Checks, explains, compares and tests access policies for MCP servers, reads their audit trails, and
/// keeps their rosters.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Write JSON for machines (`portcullis schema output` says what is in it)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check policies, and say what they enforce
    ///
    /// Exits with 1 if a policy has an error, or a warning and --deny-warnings is given.
    Validate(ValidateArgs),
    /// Say which rule decides about a request, and why
    ///
    /// The request goes through the same inspection and the same rules as in a gate. Exits with 0
    /// whatever the answer is, unless --exit-status is given.
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Say what callers may see and use
    #[command(after_help = VISIBLE_EXAMPLES)]
    Visible(Box<VisibleArgs>),
    /// Run tables of expectations against a policy
    ///
    /// Exits with 1 if a case failed. `portcullis schema cases` writes the JSON Schema of these files.
    Test(TestArgs),
    /// Say who gains and who loses what between two policies
    ///
    /// Exits with 1 if there is a change that --fail-on names.
    #[command(after_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
    /// Pin the definitions of tools, as a list has them
    ///
    /// Writes what gates that offer only approved definitions read (`ToolPins`).
    #[command(after_help = PINS_EXAMPLES)]
    Pins(PinsArgs),
    /// Read audit trails: whether they are intact, records as they come, and reports
    Audit(crate::audit::AuditArgs),
    /// Keep the roster: who uses the servers, who has left, who is blocked
    #[cfg(feature = "roster")]
    #[command(after_help = ROSTER_EXAMPLES)]
    Roster(crate::roster::RosterArgs),
    /// Write the JSON Schema of policies, of files of cases, or of --json output
    Schema(SchemaArgs),
    /// Write completions for a shell
    Completions(CompletionArgs),
    /// Write the manual page of this program, or of one command, in troff
    Man(ManArgs),
}

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  portcullis explain policy.yaml --claims alice.json tools/call get_note
  portcullis explain policy.yaml --subject alice --group staff --from 10.1.2.3 \\
      tools/call book_trip --arguments '{\"price\": 900}'
  portcullis explain policy.yaml --token - --profile entra-v2 \\
      --set tenant=… --set application=… --request call.json < token.txt";

const VISIBLE_EXAMPLES: &str = "\
Examples:
  portcullis visible policy.yaml
  portcullis visible policy.yaml --role reader
  portcullis visible policy.yaml --claims alice.json --tools tools.json";

#[cfg(feature = "roster")]
const ROSTER_EXAMPLES: &str = "\
Examples:
  portcullis roster list --database /var/lib/portcullis/roster.db --since 30d
  portcullis roster stale --database postgresql://reviewer@db.example.com/roster \\
      --list users.csv --column id --issuer https://id.example.com
  portcullis roster block --database roster.db --by carol --note 'left on Friday' \\
      https://id.example.com 8f3c…";

const DIFF_EXAMPLES: &str = "\
Examples:
  git show main:policy.yaml | portcullis diff - policy.yaml --fail-on gained";

const PINS_EXAMPLES: &str = "\
Examples:
  portcullis pins tools.json > pins.json
  portcullis pins tools.json --check pins.json";

#[derive(Args, Debug)]
pub(crate) struct PinsArgs {
    /// Answers to tools/list: messages, their results, or arrays of tools, one for each page
    #[arg(required = true, value_name = "LIST")]
    pub(crate) lists: Vec<PathBuf>,
    /// Compare with these pins in place of writing them; exits with 1 if they differ
    #[arg(long, value_name = "PINS")]
    pub(crate) check: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// The policies: YAML, JSON, or TOML if named so
    #[arg(required = true, value_name = "POLICY")]
    pub(crate) policies: Vec<PathBuf>,
    /// Complain about warnings as well
    #[arg(long)]
    pub(crate) deny_warnings: bool,
    /// Warn of tools and prompts that are not in this answer to tools/list; may be given for several servers
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Vec<PathBuf>,
    /// Show problems only, not what is enforced
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    #[command(flatten)]
    pub(crate) at: GateArgs,
    /// The method, such as tools/call
    #[arg(value_name = "METHOD", required_unless_present = "request")]
    pub(crate) method: Option<String>,
    /// The tool, prompt or resource, by name or URI; for tasks/get and the like, the tool that runs
    #[arg(value_name = "NAME", requires = "method")]
    pub(crate) name: Option<String>,
    /// The arguments of the call, a JSON object
    #[arg(long, value_name = "JSON", requires = "method")]
    pub(crate) arguments: Option<String>,
    /// A file with the arguments of the call
    #[arg(long, value_name = "FILE", requires = "method", conflicts_with = "arguments")]
    pub(crate) arguments_file: Option<PathBuf>,
    /// Call the tool as a task: the client asks for one (2025-11-25, the default here), or takes one if
    /// the server likes (2026-07-28)
    #[arg(long, requires = "method")]
    pub(crate) as_task: bool,
    /// A file with the whole JSON-RPC message, in place of METHOD and NAME
    #[arg(long, value_name = "FILE", conflicts_with = "method")]
    pub(crate) request: Option<PathBuf>,
    /// The revision of MCP; otherwise the newest that has the method
    #[arg(long, value_name = "REVISION")]
    pub(crate) mcp_version: Option<String>,
    /// Exit with 1 if the request is not allowed
    #[arg(long)]
    pub(crate) exit_status: bool,
}

/// What a gate knows besides the caller and the request.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GateArgs {
    /// The name of the server behind the gate, for policies about several
    #[arg(long, value_name = "NAME", help_heading = "Circumstances")]
    pub(crate) server: Option<String>,
    /// A file with the answer to tools/list, for rules about annotations
    #[arg(long, value_name = "FILE", help_heading = "Circumstances")]
    pub(crate) tools: Option<PathBuf>,
    /// Decide as at this time (RFC 3339), not now
    #[arg(long, value_name = "TIME", help_heading = "Circumstances", value_parser = crate::time::parse)]
    pub(crate) at: Option<u64>,
    /// The address that the request comes from, for rules about networks
    #[arg(long, value_name = "ADDRESS", help_heading = "Circumstances")]
    pub(crate) from: Option<IpAddr>,
}

/// Who calls. Nothing of it is verified.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Who calls")]
pub(crate) struct WhoArgs {
    /// A file with an access token (JWT): it is decoded and NOT verified, and its text not shown
    #[arg(long, value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// A file with the claims of a token, a JSON object
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    pub(crate) claims: Option<PathBuf>,
    /// Read claims as this identity provider writes them, such as entra-v2, okta, keycloak
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// A setting of the profile, such as tenant=…
    #[arg(long, value_name = "SETTING=VALUE", requires = "profile")]
    pub(crate) set: Vec<String>,
    /// The claim with the groups, by name or JSON Pointer
    #[arg(long, value_name = "CLAIM")]
    pub(crate) groups_claim: Option<String>,
    /// The claim with the roles
    #[arg(long, value_name = "CLAIM")]
    pub(crate) roles_claim: Option<String>,
    /// The claim with the scopes
    #[arg(long, value_name = "CLAIM")]
    pub(crate) scope_claim: Option<String>,
    /// The claim with the tenant
    #[arg(long, value_name = "CLAIM")]
    pub(crate) tenant_claim: Option<String>,
    /// A person or program, by `sub`
    #[arg(long, value_name = "SUB")]
    pub(crate) subject: Option<String>,
    /// Who vouches for them
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// The OAuth client that holds the token
    #[arg(long, value_name = "ID")]
    pub(crate) client: Option<String>,
    /// The issuer's tenant
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<String>,
    /// A group, by its id or by the policy's name for it
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,
    /// The token says that there are more groups than it lists
    #[arg(long)]
    pub(crate) groups_unknown: bool,
    /// A scope
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// A role that the issuer assigned
    #[arg(long, value_name = "ROLE")]
    pub(crate) role_claim: Vec<String>,
    /// Who acts for them, by `sub`, the current actor first
    #[arg(long, value_name = "SUB")]
    pub(crate) actor: Vec<String>,
    /// Any other claim; the value is JSON, or else a string
    #[arg(long, value_name = "CLAIM=VALUE")]
    pub(crate) claim: Vec<String>,
    /// Somebody with this role of the policy, and nothing else
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Somebody who has signed in and has no role
    #[arg(long)]
    pub(crate) everyone: bool,
    /// Somebody who has not signed in, where a gate lets them in
    #[arg(long)]
    pub(crate) anonymous: bool,
}

#[derive(Args, Debug)]
pub(crate) struct VisibleArgs {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) who: WhoArgs,
    #[command(flatten)]
    pub(crate) at: GateArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TestArgs {
    /// Files of cases (YAML or JSON)
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Test this policy, whatever the files name
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Run only cases whose names contain this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Show failed cases only
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Write a JUnit report to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Complain about rules that decided no case
    #[arg(long)]
    pub(crate) all_rules: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The policy in force
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The policy to come
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Exit with 1 if there is such a change
    #[arg(long, value_name = "CHANGE", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum FailOn {
    /// Somebody gains access, or has it under other conditions, or nobody can tell
    Gained,
    /// Somebody loses access, or has it under other conditions, or nobody can tell
    Lost,
    /// Anything is different, who has which role included
    Any,
}

#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Of what
    #[arg(value_name = "WHAT")]
    pub(crate) of: SchemaOf,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// Policy files
    Policy,
    /// Files of cases
    Cases,
    /// What --json writes
    Output,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The command; without one, the program
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}
