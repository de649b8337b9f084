//! The three tools: what they declare of themselves, and what they do.

use serde_json::{Value, json};

use super::stock::{self, ARTICLES, Article};

/// The most that one order may hold, in pieces.
const MAX_QUANTITY: u64 = 10_000;

/// Why a call is not done.
pub(super) enum Refused {
    UnknownTool,
    /// In words for a model.
    Arguments(String),
}

/// The tools as `tools/list` shows them.
pub(super) fn declared() -> Value {
    let sku = json!({
        "type": "string",
        "pattern": "^[A-Z]{2}-[0-9]{4}$",
        "description": "The article's number, such as FL-1010",
    });
    json!([
        {
            "name": "inventory.search",
            "title": "Search the stock",
            "description": "Finds articles whose name contains a text, and says how many are on hand.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "query": { "type": "string", "minLength": 1, "maxLength": 100, "description": "Part of a name" },
                },
                "required": ["query"],
                "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        },
        {
            "name": "inventory.get",
            "title": "Read one article",
            "description": "Says how many of one article are on hand, when to reorder it, and what it costs.",
            "inputSchema": {
                "type": "object",
                "properties": { "sku": sku },
                "required": ["sku"],
                "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        },
        {
            "name": "purchase_order.create",
            "title": "Order from the supplier",
            "description": "Sends a binding order. `total` must be the quantity times the unit price.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "sku": sku,
                    "quantity": { "type": "integer", "minimum": 1, "maximum": MAX_QUANTITY },
                    "total": { "type": "number", "exclusiveMinimum": 0, "description": "In USD" },
                },
                "required": ["sku", "quantity", "total"],
                "additionalProperties": false,
            },
            "annotations": { "readOnlyHint": false, "destructiveHint": false, "idempotentHint": false },
        },
    ])
}

/// Does one call. `orders` counts the orders sent so far.
pub(super) fn call(name: &str, arguments: &Value, orders: &mut u64) -> Result<Value, Refused> {
    match name {
        "inventory.search" => search(arguments),
        "inventory.get" => article(arguments).map(shown),
        "purchase_order.create" => order(arguments, orders),
        _ => Err(Refused::UnknownTool),
    }
}

fn search(arguments: &Value) -> Result<Value, Refused> {
    let query = text(arguments, "query")?.to_lowercase();
    let found: Vec<Value> =
        ARTICLES.iter().filter(|article| article.name.to_lowercase().contains(&query)).map(shown).collect();
    Ok(json!({ "articles": found }))
}

/// A server does not rely on whoever is in front of it: it holds the amount against its own price.
fn order(arguments: &Value, orders: &mut u64) -> Result<Value, Refused> {
    let article = article(arguments)?;
    let quantity = arguments
        .get("quantity")
        .and_then(Value::as_u64)
        .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
        .ok_or_else(|| {
            Refused::Arguments(format!("`quantity` is a whole number from 1 to {MAX_QUANTITY}"))
        })?;
    let total = arguments
        .get("total")
        .and_then(Value::as_f64)
        .ok_or_else(|| Refused::Arguments("`total` is a number, in USD".to_owned()))?;
    let price = usd(article.unit_price_cents.saturating_mul(quantity));
    if (total - price).abs() >= 0.005 {
        let why = format!("{quantity} of {} cost {price:.2} USD, not {total:.2}", article.sku);
        return Err(Refused::Arguments(why));
    }
    *orders = orders.saturating_add(1);
    Ok(
        json!({ "order": format!("PO-{orders:04}"), "sku": article.sku, "quantity": quantity, "total": price }),
    )
}

fn article(arguments: &Value) -> Result<&'static Article, Refused> {
    let sku = text(arguments, "sku")?;
    stock::find(sku).ok_or_else(|| Refused::Arguments(format!("there is no article `{sku}`")))
}

fn text<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, Refused> {
    let text = arguments.get(name).and_then(Value::as_str);
    text.ok_or_else(|| Refused::Arguments(format!("`{name}` is missing or no text")))
}

fn shown(article: &Article) -> Value {
    json!({
        "sku": article.sku,
        "name": article.name,
        "on_hand": article.on_hand,
        "reorder_at": article.reorder_at,
        "unit_price": usd(article.unit_price_cents),
    })
}

fn usd(cents: u64) -> f64 {
    // Far below 2^53: ten thousand pieces of the dearest article are a billion cents.
    #[expect(clippy::cast_precision_loss, reason = "the amounts here are far below 2^53 cents")]
    let cents = cents as f64;
    cents / 100.0
}
