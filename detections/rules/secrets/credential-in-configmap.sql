/*---
id: credential-in-configmap
title: A ConfigMap with a credential was written
techniques: [B23]
status: stable
severity: medium
confidence: medium
attack: [T1552.001]
threat_matrix: [MS-TA9025]
layer: cluster
control: detection
practice: secrets
needs: {level: Request, verbs: [create, update, patch], resources: [configmaps]}
window: 1h
entity: [user_name, impersonated_user_name, source_ip]
why: >-
  A ConfigMap is read by everybody who reads anything. A private key or a cloud's key in it is as good as
  published.
blind_spots: >-
  Passwords in words of their own; ConfigMaps at level Metadata.
false_positives: >-
  Examples and tests.
triage:
  - Move it into a Secret and change the credential.
  - Who could read the ConfigMap since (pivot user)?
---*/
SELECT cluster, event_id, request_received_at, user_name, impersonated_user_name, source_ip,
       CASE WHEN NOT applied THEN 'low' END AS severity,
       actor(user_name, impersonated_user_name) || ' wrote a credential into ConfigMap ' || coalesce(namespace || '/', '') || coalesce(object_name, '') AS detail
FROM written_documents
WHERE resource = 'configmaps' AND subresource IS NULL
  AND regexp_matches(document, '-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\bASIA[0-9A-Z]{16}\b|aws_secret_access_key|\bghp_[A-Za-z0-9]{36}|\bxox[bp]-[0-9]|"type\\*": *\\*"service_account|AccountKey=[A-Za-z0-9+/]{40}|\bglpat-')
