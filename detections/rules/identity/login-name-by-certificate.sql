/*---
id: login-name-by-certificate
title: A certificate carries the name of a login
techniques: [N31]
status: stable
severity: high
confidence: medium
attack: [T1078]
layer: cluster
control: detection
practice: rbac
needs: {level: Metadata}
window: 1d
entity: [user_name, source_ip]
why: >-
  Who gets a certificate signed chooses the name in it, also one with an issuer's prefix. It then acts as a person who never
  logged in, without a second factor, and does not end when the login does.
blind_spots: >-
  Names of issuers without a prefix. Versions that write no fingerprint of certificates; issuers of whom no login is in the log.
false_positives: >-
  Break-glass certificates that were made in the name of a person on purpose.
triage:
  - Which certificate signing request was it, and who approved it?
  - Ask the person.
  - Take the rights of the name; the certificate itself cannot be taken back.
---*/
WITH named AS (
    SELECT cluster, event_id, first_at, user_name, source_ip, credential_id, issuer_of(user_name) AS issuer,
           coalesce(starts_with(credential_id, 'X509SHA256='), false) AS by_certificate
    FROM appearances WHERE person
),
issuers AS (SELECT DISTINCT cluster, issuer FROM named WHERE NOT by_certificate AND issuer IS NOT NULL)
SELECT n.cluster, n.event_id, n.first_at AS request_received_at, n.user_name, n.source_ip,
       n.user_name || ' came from ' || n.source_ip || ' with the certificate ' || n.credential_id || ', while other names with ' || n.issuer || ' log in' AS detail
FROM named AS n
JOIN issuers AS i ON i.cluster = n.cluster AND i.issuer = n.issuer
WHERE n.by_certificate AND n.issuer <> 'system:'
