/*---
id: login-issuer-first-seen
title: Names of another issuer log in
techniques: [N31]
status: stable
severity: medium
confidence: medium
attack: [T1078]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata, history: 7d}
window: 1d
entity: [user_name, source_ip]
why: >-
  The kube-apiserver puts a prefix before the names of each issuer of logins. A prefix that was never there means that the cluster
  trusts another issuer since, and its administrator can be anybody here; or that somebody has a certificate with such a name.
blind_spots: >-
  Issuers without a prefix, and one that takes the prefix of another. Names that begin with "system:" are the cluster's own and not judged.
false_positives: >-
  A new issuer that was agreed on.
triage:
  - Was the configuration of authentication changed? It is a file or flag of the kube-apiserver, which no audit log shows.
  - Is it a login at all, or a certificate (credential_id begins with X509SHA256)?
---*/
WITH issuers AS (
    SELECT cluster, issuer_of(user_name) AS issuer, min({moment: request_received_at, event_id: event_id, user_name: user_name, source_ip: source_ip}) AS earliest,
           min(cluster_known_for) AS known_for
    FROM first_uses
    WHERE fact_kind = 'principal' AND service_account_name IS NULL AND impersonated_user_name IS NULL
    GROUP BY ALL
)
SELECT cluster, earliest.event_id AS event_id, earliest.moment AS request_received_at, earliest.user_name AS user_name, earliest.source_ip AS source_ip,
       earliest.user_name || ' is the first name that begins with ' || issuer AS detail
FROM issuers
WHERE issuer IS NOT NULL AND issuer <> 'system:' AND known_for >= INTERVAL 7 DAY
