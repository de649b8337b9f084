//! What the demo's warehouse holds. Prices are whole cents, so that totals are exact.

/// One article.
pub(super) struct Article {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) on_hand: u32,
    pub(super) reorder_at: u32,
    pub(super) unit_price_cents: u64,
}

pub(super) const ARTICLES: [Article; 4] = [
    Article { sku: "FL-1010", name: "Oil filter", on_hand: 12, reorder_at: 20, unit_price_cents: 450 },
    Article { sku: "FL-2020", name: "Air filter", on_hand: 44, reorder_at: 20, unit_price_cents: 720 },
    Article { sku: "BR-1100", name: "Brake pad set", on_hand: 9, reorder_at: 6, unit_price_cents: 3_890 },
    Article { sku: "PU-3001", name: "Hydraulic pump", on_hand: 1, reorder_at: 2, unit_price_cents: 125_000 },
];

pub(super) fn find(sku: &str) -> Option<&'static Article> {
    ARTICLES.iter().find(|article| article.sku == sku)
}
