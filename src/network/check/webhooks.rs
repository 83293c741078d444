//! The rules for web hooks.

use super::SiteIndex;
use crate::network::Rule;
use crate::network::webhook::WebhookBuilder;

pub(super) fn check(webhooks: &[WebhookBuilder], index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    for webhook in webhooks {
        secrets_are_one_or_two(webhook, found);
        target_is_allowed(webhook, found);
        pbxs_are_in_the_network(webhook, index, found);
    }
    let mut ids: Vec<_> = webhooks.iter().filter_map(|webhook| webhook.id.as_ref()).collect();
    ids.sort_unstable();
    let repeated = ids.chunk_by(PartialEq::eq).filter(|same| same.len() > 1);
    found.extend(repeated.map(|same| Rule::DuplicateWebhook { webhook: same[0].to_string() }));
}

fn secrets_are_one_or_two(webhook: &WebhookBuilder, found: &mut Vec<Rule>) {
    let secrets = webhook.secrets.len();
    if !(1..=2).contains(&secrets) {
        found.push(Rule::WebhookSecrets { webhook: webhook.name.clone(), found: secrets });
    }
}

fn target_is_allowed(webhook: &WebhookBuilder, found: &mut Vec<Rule>) {
    let refused = webhook.url.as_ref().and_then(|url| webhook.policy.check_url(url).err());
    found.extend(refused.map(|refused| Rule::WebhookTarget { webhook: webhook.name.clone(), refused: refused.to_string() }));
}

fn pbxs_are_in_the_network(webhook: &WebhookBuilder, index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    let unknown = webhook.sites.iter().filter(|site| index.find(site.as_str()).is_none());
    found.extend(unknown.map(|site| Rule::WebhookPbx { webhook: webhook.name.clone(), found: site.clone() }));
}
