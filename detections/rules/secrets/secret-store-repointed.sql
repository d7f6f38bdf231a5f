/*---
id: secret-store-repointed
title: Where secrets come from was changed
techniques: [N33]
status: stable
severity: medium
confidence: medium
attack: [T1552.007, T1556]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {verbs: [create, update, patch, delete]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  External Secrets, the Secrets Store CSI driver, Vault and 1Password operators bring secrets in. Who repoints
  their store gets everybody's, or gives them others.
blind_spots: >-
  Stores configured outside the cluster.
false_positives: >-
  Platform changes.
triage:
  - Where does the store lead now (history of the object)?
  - Was the change reviewed?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT coalesce(succeeded(response_code), response_code IS NULL) OR is_dry_run(request_uri) THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' ' || verb || ' ' || resource || ' ' || coalesce(namespace || '/', '') || coalesce(name, '') || CASE WHEN response_code IS NULL OR succeeded(response_code) THEN '' WHEN denied_by(response_code, decision, response_message) IS NOT NULL THEN ', refused by ' || denied_by(response_code, decision, response_message) ELSE ', answered with ' || response_code END AS detail
FROM requests
WHERE verb IN ('create', 'update', 'patch', 'delete') AND subresource IS NULL
  AND ((api_group = 'external-secrets.io' AND resource IN ('secretstores', 'clustersecretstores', 'clusterexternalsecrets', 'pushsecrets'))
       OR (api_group = 'secrets-store.csi.x-k8s.io' AND resource = 'secretproviderclasses')
       OR (api_group = 'secrets.hashicorp.com' AND resource IN ('vaultauths', 'vaultconnections', 'vaultauthglobals'))
       OR (api_group = 'onepassword.com' AND resource = 'onepassworditems'))
