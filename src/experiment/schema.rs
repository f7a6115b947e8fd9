//! The JSON Schema of grid files, with which editors complete and check them. It knows names, types and ranges; what only
//! the program can tell (conditions, bases, what stands twice) it lets pass.

use super::file::MOST_REPLICATES;
use super::resources::Resources;
use super::settings::schemas;
use super::table::Table;
use serde_json::{Value, json};

/// JSON Schema (2020-12) of grid files.
pub fn schema() -> Value {
    let mut settings = serde_json::Map::new();
    let mut axes = serde_json::Map::new();
    let numbers = json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3});
    let rule = |name: &str| json!({"type": "object", "properties": {name: numbers}, "required": [name], "additionalProperties": false});
    for (name, description, mut schema) in schemas() {
        let list = json!({"type": "array", "items": schema, "minItems": 1});
        axes.insert(name.into(), json!({"anyOf": [list, rule("range"), rule("linspace"), rule("logspace")]}));
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), description.into());
        }
        settings.insert(name.into(), schema);
    }
    let row = json!({"$ref": "#/$defs/settings"});
    let one_or_more = |item: Value| json!({"anyOf": [item, {"type": "array", "items": item}]});
    let text = json!({"type": "string"});
    let block = json!({
        "base": one_or_more(text.clone()),
        "fixed": row,
        "grid": one_or_more(json!({"$ref": "#/$defs/axes"})),
        "zip": {"anyOf": [{"type": "array", "items": row, "minItems": 1}, {"$ref": "#/$defs/axes"}]},
        "include": {"type": "array", "items": row, "minItems": 1},
        "exclude": one_or_more(json!({"anyOf": [text, row]})),
        "when": one_or_more(json!({"anyOf": [text, row]})),
        "seeds": {"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST_REPLICATES},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            rule("range"), rule("linspace"), rule("logspace")
        ]},
        "slurm": Resources::schema(),
        "report": Table::schema(),
    });
    let mut top = block.clone();
    top["experiments"] = json!({"type": "object", "minProperties": 1, "additionalProperties": one_or_more(json!({"$ref": "#/$defs/block"}))});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Experiments of ncut",
        "type": "object",
        "properties": top,
        "patternProperties": {"^x-": {}},
        "additionalProperties": false,
        "$defs": {
            "settings": {"type": "object", "additionalProperties": false, "properties": settings},
            "axes": {"type": "object", "additionalProperties": false, "properties": axes},
            "block": {"type": "object", "additionalProperties": false, "properties": block},
        }
    })
}
