//! The table of functions and macros: what the checker accepts, and what a reader is told.

use std::fmt;

use crate::Type;
use crate::tree::TextTest;

/// A function or macro.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The ways it can be called.
    pub signatures: &'static [Signature],
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// A condition that uses it and is true.
    pub example: &'static str,
    pub(crate) call: Call,
}

/// One way to call a function. Displayed as `string.startsWith(string) -> bool` without the name.
#[derive(Debug)]
pub struct Signature {
    /// What stands before the dot, if it is called with one.
    pub receiver: Option<Parameter>,
    /// What stands between the parentheses.
    pub parameters: &'static [Parameter],
    /// What it gives.
    pub result: Parameter,
}

/// What a function takes or gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "those without words of their own are the types of that name")]
pub enum Parameter {
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List,
    Map,
    Type,
    /// Of any type.
    Dyn,
    /// A text that is written out, so that it is checked when the condition is loaded.
    Literal,
    /// A member, as `record.member`.
    Member,
    /// A name that stands for each element in turn.
    Variable,
}

/// What carries a call out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Size,
    TextTest(TextTest),
    LowerAscii,
    UpperAscii,
    Trim,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Bool,
    Duration,
    Timestamp,
    Type,
    Dyn,
    Calendar(Part),
    Matches,
    Has,
    Macro(Macro),
}

/// A part of a date, a time of day or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

/// What runs over the elements of a list or the keys of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Macro {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

/// Every function and macro, in alphabetical order.
#[must_use]
pub fn functions() -> &'static [Function] {
    FUNCTIONS
}

pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Parameter {
    pub(crate) fn accepts(self, ty: &Type) -> bool {
        matches!(
            (self, ty),
            (Parameter::Dyn, _)
                | (_, Type::Dyn)
                | (Parameter::Bool, Type::Bool)
                | (Parameter::Int, Type::Int)
                | (Parameter::Uint, Type::Uint)
                | (Parameter::Double, Type::Double)
                | (Parameter::String | Parameter::Literal, Type::String)
                | (Parameter::Bytes, Type::Bytes)
                | (Parameter::Duration, Type::Duration)
                | (Parameter::Timestamp, Type::Timestamp)
                | (Parameter::List, Type::List(_))
                | (Parameter::Map, Type::Map(_) | Type::Record(_))
        )
    }

    pub(crate) fn ty(self) -> Type {
        match self {
            Parameter::Bool => Type::Bool,
            Parameter::Int => Type::Int,
            Parameter::Uint => Type::Uint,
            Parameter::Double => Type::Double,
            Parameter::String | Parameter::Literal => Type::String,
            Parameter::Bytes => Type::Bytes,
            Parameter::Duration => Type::Duration,
            Parameter::Timestamp => Type::Timestamp,
            Parameter::List => Type::list(Type::Dyn),
            Parameter::Map => Type::map(Type::Dyn),
            Parameter::Type => Type::Type,
            Parameter::Dyn | Parameter::Member | Parameter::Variable => Type::Dyn,
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Parameter::Bool => "bool",
            Parameter::Int => "int",
            Parameter::Uint => "uint",
            Parameter::Double => "double",
            Parameter::String => "string",
            Parameter::Bytes => "bytes",
            Parameter::Duration => "duration",
            Parameter::Timestamp => "timestamp",
            Parameter::List => "list",
            Parameter::Map => "map",
            Parameter::Type => "type",
            Parameter::Dyn => "any",
            Parameter::Literal => "literal string",
            Parameter::Member => "record.member",
            Parameter::Variable => "name",
        })
    }
}

impl Function {
    /// The ways it can be called, each with the function's name.
    pub fn usages(&self) -> impl Iterator<Item = String> {
        self.signatures.iter().map(|signature| {
            let receiver = signature.receiver.map_or_else(String::new, |receiver| format!("{receiver}."));
            let parameters: Vec<String> = signature.parameters.iter().map(Parameter::to_string).collect();
            format!("{receiver}{}({}) -> {}", self.name, parameters.join(", "), signature.result)
        })
    }
}

const fn global(parameters: &'static [Parameter], result: Parameter) -> Signature {
    Signature { receiver: None, parameters, result }
}

const fn method(receiver: Parameter, parameters: &'static [Parameter], result: Parameter) -> Signature {
    Signature { receiver: Some(receiver), parameters, result }
}

const CALENDAR: &[Signature] = &[
    method(Parameter::Timestamp, &[], Parameter::Int),
    method(Parameter::Timestamp, &[Parameter::String], Parameter::Int),
];

const CLOCK: &[Signature] = &[
    method(Parameter::Timestamp, &[], Parameter::Int),
    method(Parameter::Timestamp, &[Parameter::String], Parameter::Int),
    method(Parameter::Duration, &[], Parameter::Int),
];

const QUANTIFIER: &[Signature] = &[
    method(Parameter::List, &[Parameter::Variable, Parameter::Bool], Parameter::Bool),
    method(Parameter::Map, &[Parameter::Variable, Parameter::Bool], Parameter::Bool),
];

const TEXT_TEST: &[Signature] = &[method(Parameter::String, &[Parameter::String], Parameter::Bool)];

const TEXT_CHANGE: &[Signature] = &[method(Parameter::String, &[], Parameter::String)];

const fn function(
    name: &'static str,
    call: Call,
    signatures: &'static [Signature],
    summary: &'static str,
    example: &'static str,
) -> Function {
    Function { name, signatures, summary, example, call }
}

const FUNCTIONS: &[Function] = &[
    function(
        "all",
        Call::Macro(Macro::All),
        QUANTIFIER,
        "Whether the condition holds for every element of a list or key of a map.",
        "[1, 2, 3].all(n, n > 0)",
    ),
    function(
        "bool",
        Call::Bool,
        &[global(&[Parameter::Bool], Parameter::Bool), global(&[Parameter::String], Parameter::Bool)],
        "Reads `true`, `True`, `TRUE`, `t` or `1` as true and their opposites as false.",
        "bool(\"true\")",
    ),
    function(
        "bytes",
        Call::Bytes,
        &[global(&[Parameter::Bytes], Parameter::Bytes), global(&[Parameter::String], Parameter::Bytes)],
        "The UTF-8 bytes of a text.",
        "bytes(\"é\") == b\"\\303\\251\"",
    ),
    function(
        "contains",
        Call::TextTest(TextTest::Contains),
        TEXT_TEST,
        "Whether a text contains another.",
        "\"/srv/../etc\".contains(\"..\")",
    ),
    function(
        "double",
        Call::Double,
        &[
            global(&[Parameter::Double], Parameter::Double),
            global(&[Parameter::Int], Parameter::Double),
            global(&[Parameter::Uint], Parameter::Double),
            global(&[Parameter::String], Parameter::Double),
        ],
        "Converts to a double, to the nearest one where it does not fit.",
        "double(\"2.5\") == 2.5",
    ),
    function(
        "duration",
        Call::Duration,
        &[
            global(&[Parameter::Duration], Parameter::Duration),
            global(&[Parameter::String], Parameter::Duration),
        ],
        "Reads a duration in units of `h`, `m`, `s`, `ms`, `us` and `ns`.",
        "duration(\"1h30m\") == duration(\"90m\")",
    ),
    function(
        "dyn",
        Call::Dyn,
        &[global(&[Parameter::Dyn], Parameter::Dyn)],
        "The same value, with its type left to be found out when the condition runs.",
        "dyn(1) == 1.0",
    ),
    function(
        "endsWith",
        Call::TextTest(TextTest::EndsWith),
        TEXT_TEST,
        "Whether a text ends with another.",
        "\"report.pdf\".endsWith(\".pdf\")",
    ),
    function(
        "exists",
        Call::Macro(Macro::Exists),
        QUANTIFIER,
        "Whether the condition holds for some element of a list or key of a map.",
        "[1, 2, 3].exists(n, n == 2)",
    ),
    function(
        "exists_one",
        Call::Macro(Macro::ExistsOne),
        QUANTIFIER,
        "Whether the condition holds for exactly one element of a list or key of a map.",
        "[1, 2, 3].exists_one(n, n > 2)",
    ),
    function(
        "filter",
        Call::Macro(Macro::Filter),
        &[method(Parameter::List, &[Parameter::Variable, Parameter::Bool], Parameter::List)],
        "The elements for which the condition holds.",
        "[1, 2, 3].filter(n, n > 1) == [2, 3]",
    ),
    function(
        "getDate",
        Call::Calendar(Part::Date),
        CALENDAR,
        "The day of the month from 1, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getDate() == 1",
    ),
    function(
        "getDayOfMonth",
        Call::Calendar(Part::DayOfMonth),
        CALENDAR,
        "The day of the month from 0, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getDayOfMonth() == 0",
    ),
    function(
        "getDayOfWeek",
        Call::Calendar(Part::DayOfWeek),
        CALENDAR,
        "The day of the week from 0 for Sunday, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getDayOfWeek() == 0",
    ),
    function(
        "getDayOfYear",
        Call::Calendar(Part::DayOfYear),
        CALENDAR,
        "The day of the year from 0, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getDayOfYear() == 59",
    ),
    function(
        "getFullYear",
        Call::Calendar(Part::FullYear),
        CALENDAR,
        "The year, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getFullYear() == 2026",
    ),
    function(
        "getHours",
        Call::Calendar(Part::Hours),
        CLOCK,
        "The hour of the day in UTC or the time zone given; of a duration, all of its hours.",
        "timestamp(\"2026-07-01T10:00:00Z\").getHours(\"Europe/Berlin\") == 12",
    ),
    function(
        "getMilliseconds",
        Call::Calendar(Part::Milliseconds),
        CLOCK,
        "The milliseconds beyond the second.",
        "duration(\"1500ms\").getMilliseconds() == 500",
    ),
    function(
        "getMinutes",
        Call::Calendar(Part::Minutes),
        CLOCK,
        "The minute of the hour in UTC or the time zone given; of a duration, all of its minutes.",
        "duration(\"2h5m\").getMinutes() == 125",
    ),
    function(
        "getMonth",
        Call::Calendar(Part::Month),
        CALENDAR,
        "The month from 0, in UTC or the time zone given.",
        "timestamp(\"2026-03-01T00:00:00Z\").getMonth() == 2",
    ),
    function(
        "getSeconds",
        Call::Calendar(Part::Seconds),
        CLOCK,
        "The second of the minute; of a duration, all of its seconds.",
        "duration(\"2m5s\").getSeconds() == 125",
    ),
    function(
        "has",
        Call::Has,
        &[global(&[Parameter::Member], Parameter::Bool)],
        "Whether a member is there; `null` is.",
        "!has({\"a\": 1}.b)",
    ),
    function(
        "int",
        Call::Int,
        &[
            global(&[Parameter::Int], Parameter::Int),
            global(&[Parameter::Uint], Parameter::Int),
            global(&[Parameter::Double], Parameter::Int),
            global(&[Parameter::String], Parameter::Int),
            global(&[Parameter::Timestamp], Parameter::Int),
        ],
        "Converts to an int: a double toward zero, a timestamp to its seconds since 1970.",
        "int(2.9) == 2",
    ),
    function(
        "lowerAscii",
        Call::LowerAscii,
        TEXT_CHANGE,
        "The text with the letters A to Z in lower case.",
        "\"DROP Table\".lowerAscii() == \"drop table\"",
    ),
    function(
        "map",
        Call::Macro(Macro::Map),
        &[
            method(Parameter::List, &[Parameter::Variable, Parameter::Dyn], Parameter::List),
            method(Parameter::List, &[Parameter::Variable, Parameter::Bool, Parameter::Dyn], Parameter::List),
        ],
        "The list of what the expression gives for each element, or for each that meets the condition.",
        "[1, 2].map(n, n * n) == [1, 4]",
    ),
    function(
        "matches",
        Call::Matches,
        &[
            method(Parameter::String, &[Parameter::Literal], Parameter::Bool),
            global(&[Parameter::String, Parameter::Literal], Parameter::Bool),
        ],
        "Whether the regular expression matches somewhere in the text; `^` and `$` tie it to the ends.",
        "\"INV-2041\".matches(\"^INV-[0-9]+$\")",
    ),
    function(
        "size",
        Call::Size,
        &[
            method(Parameter::String, &[], Parameter::Int),
            method(Parameter::Bytes, &[], Parameter::Int),
            method(Parameter::List, &[], Parameter::Int),
            method(Parameter::Map, &[], Parameter::Int),
            global(&[Parameter::String], Parameter::Int),
            global(&[Parameter::Bytes], Parameter::Int),
            global(&[Parameter::List], Parameter::Int),
            global(&[Parameter::Map], Parameter::Int),
        ],
        "How many characters, bytes, elements or entries there are.",
        "size(\"né\") == 2",
    ),
    function(
        "startsWith",
        Call::TextTest(TextTest::StartsWith),
        TEXT_TEST,
        "Whether a text starts with another.",
        "\"/srv/data\".startsWith(\"/srv/\")",
    ),
    function(
        "string",
        Call::String,
        &[
            global(&[Parameter::String], Parameter::String),
            global(&[Parameter::Bool], Parameter::String),
            global(&[Parameter::Int], Parameter::String),
            global(&[Parameter::Uint], Parameter::String),
            global(&[Parameter::Double], Parameter::String),
            global(&[Parameter::Bytes], Parameter::String),
            global(&[Parameter::Duration], Parameter::String),
            global(&[Parameter::Timestamp], Parameter::String),
        ],
        "Writes a value as text; bytes must be UTF-8.",
        "string(42) == \"42\"",
    ),
    function(
        "timestamp",
        Call::Timestamp,
        &[
            global(&[Parameter::Timestamp], Parameter::Timestamp),
            global(&[Parameter::String], Parameter::Timestamp),
            global(&[Parameter::Int], Parameter::Timestamp),
        ],
        "Reads a point in time as RFC 3339 writes it, or from seconds since 1970.",
        "timestamp(\"2026-03-01T01:00:00+01:00\") == timestamp(\"2026-03-01T00:00:00Z\")",
    ),
    function(
        "trim",
        Call::Trim,
        TEXT_CHANGE,
        "The text without white space at its ends.",
        "\" rm -rf \".trim() == \"rm -rf\"",
    ),
    function(
        "type",
        Call::Type,
        &[global(&[Parameter::Dyn], Parameter::Type)],
        "The type of a value, to be held against `int`, `string`, `list` and so on.",
        "type(dyn(1)) == int",
    ),
    function(
        "uint",
        Call::Uint,
        &[
            global(&[Parameter::Uint], Parameter::Uint),
            global(&[Parameter::Int], Parameter::Uint),
            global(&[Parameter::Double], Parameter::Uint),
            global(&[Parameter::String], Parameter::Uint),
        ],
        "Converts to a uint: a double toward zero.",
        "uint(7) == 7u",
    ),
    function(
        "upperAscii",
        Call::UpperAscii,
        TEXT_CHANGE,
        "The text with the letters a to z in upper case.",
        "\"drop\".upperAscii() == \"DROP\"",
    ),
];
