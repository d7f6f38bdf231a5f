/*---
id: policy-exception-made
title: An exception from admission policies was made
techniques: [N20]
status: stable
severity: medium
confidence: medium
attack: [T1562.001]
threat_matrix: [MS-TA9015]
layer: cluster
control: detection
practice: admission
needs: {level: Metadata}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A Kyverno PolicyException, and the list of namespaces that Gatekeeper's Config leaves out, switch a policy off for
  somebody without touching it. Who may make one in their own namespace stands above the policy.
blind_spots: >-
  Exemptions that are part of a policy (admission-policy-weakened), of a webhook's selectors
  (admission-webhook-weakened), or of the engine's own settings.
false_positives: >-
  Exceptions that a platform team hands out. A GitOps tool that puts them there is low.
triage:
  - Who asked for the exception, and who agreed?
  - Is it as narrow as it can be (one workload, one rule)?
  - What was created under it?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low'
            WHEN impersonated_user_name IS NULL AND service_account_name IS NOT NULL THEN 'low' END AS severity,
       CASE WHEN request_object IS NULL THEN 'low' END AS confidence,
       did(user_name, impersonated_user_name, applied, 'wrote', 'write') || thing(resource, subresource, namespace, name) || ' (' || tool || ')'
           || coalesce(' for ' || nullif(array_to_string(list_distinct(list_concat(
                  json_extract_string(request_object, '$.spec.exceptions[*].policyName'), json_extract_string(request_object, '$.spec.policyRefs[*].name'),
                  json_extract_string(request_object, '$.spec.match[*].excludedNamespaces[*]'))), ', '), ''), '')
           || outcome(applied, response_code, decision, response_message) AS detail
FROM guard_changes
WHERE guard = 'exception' AND verb IN ('create', 'update', 'patch')
