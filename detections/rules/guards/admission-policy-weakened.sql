/*---
id: admission-policy-weakened
title: An admission policy was made to refuse less
techniques: [N23, N20]
status: stable
severity: high
confidence: medium
attack: [T1562.001]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Request}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A policy that audits instead of denying, or that leaves out a namespace, is still there when somebody counts
  policies. ValidatingAdmissionPolicy, Gatekeeper, Kyverno and Kubewarden each have their own word for it.
blind_spots: >-
  A changed expression or Rego text: what it means cannot be told from the request. A whole replacement is compared
  with the policy as the log showed it before; without that, only what it says itself counts.
false_positives: >-
  A policy that turned out to refuse too much. New policies often start by auditing: those are left out.
triage:
  - Which policy, and what does it let pass now?
  - Was it the owner of the policy, in a change that somebody reviewed?
  - What was created since that it would have refused?
---*/
WITH changed AS (
    SELECT *,
           coalesce(json_extract_string(before, '$.spec.enforcementAction'), 'deny') AS old_enforcement,
           coalesce(json_extract_string(before, '$.spec.validationFailureAction'), '') AS old_failure_action
    FROM guard_documents
    WHERE guard = 'admission' AND resource NOT IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations')
      AND verb IN ('update', 'patch') AND response_code IS DISTINCT FROM 201
),
judged AS (
    SELECT *, CASE
        WHEN resource IN ('validatingadmissionpolicybindings') AND json_extract(document, '$.spec.validationActions') IS NOT NULL
             AND NOT list_contains(json_extract_string(document, '$.spec.validationActions[*]'), 'Deny')
             AND coalesce(list_contains(json_extract_string(before, '$.spec.validationActions[*]'), 'Deny'), true) THEN 'it no longer denies'
        WHEN json_extract_string(document, '$.spec.failurePolicy') = 'Ignore'
             AND coalesce(json_extract_string(before, '$.spec.failurePolicy'), 'Fail') <> 'Ignore' THEN 'its failure is ignored'
        -- Gatekeeper
        WHEN api_group = 'constraints.gatekeeper.sh' AND json_extract_string(document, '$.spec.enforcementAction') IN ('dryrun', 'warn')
             AND old_enforcement NOT IN ('dryrun', 'warn') THEN 'it only ' || CASE json_extract_string(document, '$.spec.enforcementAction') WHEN 'warn' THEN 'warns' ELSE 'records' END
        WHEN api_group = 'constraints.gatekeeper.sh' AND coalesce(json_extract_string(document, '$.spec.match.excludedNamespaces'), '[]')
             NOT IN ('[]', coalesce(json_extract_string(before, '$.spec.match.excludedNamespaces'), '[]')) THEN 'it leaves out namespaces'
        -- Kyverno, old and new words
        WHEN tool = 'Kyverno' AND lower(coalesce(json_extract_string(document, '$.spec.validationFailureAction'), '')) = 'audit'
             AND lower(old_failure_action) <> 'audit' THEN 'it only audits'
        WHEN tool = 'Kyverno' AND list_contains(list_transform(json_extract(document, '$.spec.rules[*].validate.failureAction'), lambda action: lower(trim(action::VARCHAR, '"'))), 'audit')
             AND NOT coalesce(list_contains(list_transform(json_extract(before, '$.spec.rules[*].validate.failureAction'), lambda action: lower(trim(action::VARCHAR, '"'))), 'audit'), false)
             THEN 'a rule of it only audits'
        WHEN tool = 'Kyverno' AND json_extract(document, '$.spec.validationActions') IS NOT NULL
             AND NOT list_contains(json_extract_string(document, '$.spec.validationActions[*]'), 'Deny')
             AND coalesce(list_contains(json_extract_string(before, '$.spec.validationActions[*]'), 'Deny'), true) THEN 'it no longer denies'
        WHEN tool = 'Kyverno' AND json_extract_string(document, '$.spec.admission') = 'false' THEN 'it no longer judges admission'
        WHEN tool = 'Kyverno' AND len(json_extract(document, '$.spec.rules[*].exclude')) > coalesce(len(json_extract(before, '$.spec.rules[*].exclude')), 0) THEN 'a rule of it excludes something'
        -- Kubewarden
        WHEN tool = 'Kubewarden' AND json_extract_string(document, '$.spec.mode') = 'monitor'
             AND coalesce(json_extract_string(before, '$.spec.mode'), 'protect') <> 'monitor' THEN 'it only monitors'
        WHEN coalesce(json_extract_string(document, '$.spec.matchConditions'), json_extract_string(document, '$.spec.matchConstraints.excludeResourceRules'),
                      json_extract_string(document, '$.spec.matchResources'), json_extract_string(document, '$.spec.match')) IS NOT NULL
             AND form <> 'object' THEN 'what it looks at changed'
    END AS change
    FROM changed
),
removed AS (
    SELECT r.*, g.tool FROM json_patch_removals AS r JOIN guard_changes AS g ON g.event_id = r.event_id
    WHERE g.guard = 'admission' AND r.resource NOT IN ('mutatingwebhookconfigurations', 'validatingwebhookconfigurations')
      AND (starts_with(r.path, '/spec/validations') OR starts_with(r.path, '/spec/validationActions') OR starts_with(r.path, '/spec/rules')
           OR starts_with(r.path, '/spec/match/kinds'))
)
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' WHEN change = 'what it looks at changed' THEN 'medium' END AS severity,
       did(user_name, impersonated_user_name, applied, 'changed', 'change') || thing(resource, subresource, namespace, object_name)
           || ' (' || tool || '): ' || change || outcome(applied, response_code, decision, response_message) AS detail
FROM judged WHERE change IS NOT NULL
UNION ALL
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       did(user_name, impersonated_user_name, applied, 'changed', 'change') || thing(resource, subresource, namespace, name)
           || ' (' || tool || '): removed ' || path || outcome(applied, response_code, decision, response_message) AS detail
FROM removed
