//! What the annotations cannot say of the `OpenAPI` document's schemas: variants whose structs refuse unknown fields, the values that
//! settings take, and examples.

use serde_json::{Map, Value, json};
use shared::{
    param::{Domain, NAME_LENGTH, SETTINGS, Setting},
    study::presets,
};

/// The schema of a study.
const STUDY: &str = "StudySpec";
/// The schema of a setting's value.
const SETTING_VALUE: &str = "SettingValue";

/// Completes a document's schemas.
pub fn complete(document: &mut Value) {
    limit_numbers(document);
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut)
    else {
        return;
    };
    merge_variants(schemas);
    for setting in SETTINGS.iter() {
        limit_setting(schemas, setting);
    }
    describe_study(schemas);
    describe_colours(schemas);
    add_examples(document);
}

/// Adds the largest number that a type without a sign holds.
fn limit_numbers(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let most = match fields.get("format").and_then(Value::as_str) {
                Some("int32") => u64::from(u32::MAX),
                Some("int64") => u64::MAX,
                _ => 0,
            };
            if most > 0 && fields.get("minimum") == Some(&json!(0)) {
                fields.entry("maximum").or_insert(most.into());
            }
            fields.values_mut().for_each(limit_numbers);
        }
        Value::Array(items) => items.iter_mut().for_each(limit_numbers),
        _ => {}
    }
}

/// A variant of a tagged enum is described as all of a struct and an object with the tag. Where the struct refuses unknown fields, it
/// refuses the tag as well, so no value has such a schema. Both become one object.
fn merge_variants(schemas: &mut Map<String, Value>) {
    let known = schemas.clone();
    for schema in schemas.values_mut() {
        let variants = schema.get_mut("oneOf").and_then(Value::as_array_mut);
        for variant in variants.into_iter().flatten() {
            if let Some(merged) = merged(variant, &known) {
                *variant = merged;
            }
        }
    }
}

/// The object that a variant and its struct make together; `None` for any other schema.
fn merged(variant: &Value, known: &Map<String, Value>) -> Option<Value> {
    let parts = variant.get("allOf")?.as_array()?;
    let resolved: Vec<&Value> = parts.iter().map(|part| resolve(part, known)).collect();
    let closed = |part: &&Value| part.get("additionalProperties") == Some(&Value::Bool(false));
    if !resolved.iter().any(closed) {
        return None;
    }
    let mut object = json!({ "type": "object", "additionalProperties": false });
    let mut properties = Map::new();
    let mut required = Vec::new();
    // The tag comes last among the parts, and first in the object.
    for part in resolved.into_iter().rev() {
        properties.extend(part.get("properties")?.as_object()?.clone());
        required
            .extend(part.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
    }
    object["properties"] = properties.into();
    object["required"] = required.into();
    if let Some(description) = variant.get("description") {
        object["description"] = description.clone();
    }
    Some(object)
}

fn resolve<'v>(schema: &'v Value, known: &'v Map<String, Value>) -> &'v Value {
    name_of(schema).and_then(|name| known.get(name)).unwrap_or(schema)
}

/// The name of the schema that this one refers to, alone or as one of two of which the other is null.
fn name_of(schema: &Value) -> Option<&str> {
    if let Some(reference) = schema.get("$ref") {
        return reference.as_str()?.rsplit('/').next();
    }
    let choices = schema.get("oneOf")?.as_array().filter(|choices| choices.len() == 2)?;
    choices.iter().find(|choice| choice.get("$ref").is_some()).and_then(name_of)
}

/// Adds the values that a setting takes to its place in the schema of a study.
fn limit_setting(schemas: &mut Map<String, Value>, setting: &Setting) {
    let limits = match setting.domain {
        Domain::Whole { low, high } => json!({ "minimum": low, "maximum": high }),
        Domain::Limit => json!({ "minimum": 1 }),
        Domain::Real { low, above, high, below, .. } => {
            let mut limits = Map::new();
            let from = if above { "exclusiveMinimum" } else { "minimum" };
            let to = if below { "exclusiveMaximum" } else { "maximum" };
            limits.insert(from.into(), low.into());
            limits.insert(to.into(), high.into());
            limits.into()
        }
        Domain::Name { optional } => {
            json!({ "minLength": u8::from(!optional), "maxLength": NAME_LENGTH })
        }
        Domain::Device => {
            json!({ "pattern": "^(auto|cpu|cuda:[0-9]+|[0-9]+)$", "default": "auto" })
        }
        Domain::Switch | Domain::Choice(_) | Domain::Structure => return,
    };
    let Some(place) = place_of(schemas, setting) else { return };
    let (Some(place), Value::Object(limits)) = (place.as_object_mut(), limits) else { return };
    place.extend(limits);
}

/// A setting's own schema.
fn place_of<'s>(schemas: &'s mut Map<String, Value>, setting: &Setting) -> Option<&'s mut Value> {
    let mut owner = STUDY.to_owned();
    let mut names = setting.path.split('.').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            return properties_of(schemas.get_mut(&owner)?, setting.trigger)?.get_mut(name);
        }
        let part = properties_of(schemas.get_mut(&owner)?, setting.trigger)?.get(name)?;
        owner = name_of(part)?.to_owned();
    }
    None
}

/// The properties of an object, or of the variant of this kind.
fn properties_of<'s>(
    schema: &'s mut Value,
    kind: Option<&str>,
) -> Option<&'s mut Map<String, Value>> {
    if schema.get("oneOf").is_none() {
        return schema.get_mut("properties")?.as_object_mut();
    }
    let is_kind = |variant: &&mut Value| {
        variant.pointer("/properties/kind/enum/0").and_then(Value::as_str) == kind
    };
    let mut variants = schema.get_mut("oneOf")?.as_array_mut()?.iter_mut();
    variants.find(is_kind)?.get_mut("properties")?.as_object_mut()
}

/// The parts of a study that are no settings.
fn describe_study(schemas: &mut Map<String, Value>) {
    let value = json!({
        "type": ["boolean", "number", "string"],
        "description": "The value of a setting: on or off, a number, or a word.",
    });
    schemas.insert(SETTING_VALUE.into(), value);
    let Some(properties) =
        schemas.get_mut(STUDY).and_then(|schema| schema.get_mut("properties")?.as_object_mut())
    else {
        return;
    };
    let value = json!({ "$ref": format!("#/components/schemas/{SETTING_VALUE}") });
    let mut add = |name: &str, more: Value| {
        if let (Some(Value::Object(part)), Value::Object(more)) = (properties.get_mut(name), more) {
            part.extend(more);
        }
    };
    add("name", json!({ "maxLength": 120, "pattern": r"\S" }));
    add("runs", json!({ "minItems": 1 }));
    let tag = json!({ "type": "string", "pattern": r"^[^,\s]([^,]{0,38}[^,\s])?$" });
    add("tags", json!({ "maxItems": 8, "items": tag }));
    // A step of settings that vary together has a value for each.
    let step = json!({ "oneOf": [value, { "type": "array", "items": value, "minItems": 2 }] });
    let steps = json!({ "type": "array", "items": step, "minItems": 1 });
    add("axes", json!({ "additionalProperties": steps }));
}

/// The colour and the cells of a patch.
fn describe_colours(schemas: &mut Map<String, Value>) {
    let variants = schemas.get_mut("Fill").and_then(|fill| fill.get_mut("oneOf")?.as_array_mut());
    for variant in variants.into_iter().flatten() {
        let Some(properties) = variant.get_mut("properties") else { continue };
        if let Some(Value::Object(rgb)) = properties.get_mut("rgb") {
            let channel = json!({ "type": "integer", "minimum": 0, "maximum": u8::MAX });
            rgb.extend([
                ("items".to_owned(), channel),
                ("minItems".to_owned(), 3.into()),
                ("maxItems".to_owned(), 3.into()),
            ]);
        }
        if let Some(Value::Object(cell)) = properties.get_mut("cell") {
            cell.insert("minimum".into(), 1.into());
        }
    }
}

/// The presets, as bodies of the requests that take a study.
fn add_examples(document: &mut Value) {
    let examples: Map<String, Value> = presets()
        .into_iter()
        .map(|preset| {
            let example = json!({ "summary": preset.title, "value": preset.spec });
            (preset.id, example)
        })
        .collect();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for path in paths.into_iter().flat_map(Map::values_mut) {
        let body = path.pointer_mut("/post/requestBody/content/application~1json");
        if let Some(body) = body
            && body.get("schema").and_then(name_of) == Some(STUDY)
        {
            body["examples"] = examples.clone().into();
        }
    }
}
