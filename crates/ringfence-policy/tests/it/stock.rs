//! The policies that come with the product.

use ringfence_policy::{Loaded, PolicySet, Source, stock};

#[test]
fn each_loads_alone_and_passes_its_tests() {
    for stock in stock() {
        let Loaded { set, warnings } = load(&[stock.text]);
        assert_eq!(warnings, [], "{}", stock.name);
        let policy = &set.policies()[0];
        assert_eq!(policy.name, stock.name);
        assert_eq!(policy.description.as_deref(), Some(stock.description));
        assert!(policy.tests >= 3, "{}", stock.name);
        assert!(stock.text.starts_with("# "), "{} says when to use it", stock.name);
        for result in set.run_tests() {
            assert!(result.passed(), "{}: {}: {}", result.policy, result.name, result.difference());
        }
    }
}

#[test]
fn they_go_together() {
    let texts: Vec<&str> = stock().iter().map(|stock| stock.text).collect();
    let set = load(&texts).set;
    for result in set.run_tests() {
        assert!(result.passed(), "{}: {}: {}", result.policy, result.name, result.difference());
    }
}

fn load(texts: &[&str]) -> Loaded {
    let sources: Vec<Source<'_>> = texts.iter().map(|text| Source { name: "stock", text }).collect();
    PolicySet::load(&sources).unwrap_or_else(|found| panic!("{}", found[0]))
}
