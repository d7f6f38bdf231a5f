/*---
id: audit-gap
title: The log fell silent and came back
techniques: [N25]
status: stable
severity: medium
confidence: low
attack: [T1562.008]
layer: cluster
control: detection
practice: audit-logging
needs: {level: Metadata}
window: 1h
entity: [source]
params:
  longest_silence:
    default: 180
    why: Seconds without any event. Even an idle cluster says something every few seconds.
  least_per_minute:
    default: 20
    why: Events a minute, over the ten busy minutes before, from which on a silence means something.
why: >-
  Controllers never stop asking. When a cluster that said something every second says nothing for minutes, events were
  lost, held back or not written: by a flood, a stopped sender, a changed policy, or a kube-apiserver that was down.
blind_spots: >-
  Several kube-apiservers whose events arrive mixed: one of them may be silent. A log that does not come back at all.
  Events that are missing one by one.
false_positives: >-
  Restarts and upgrades of the kube-apiserver, network outages, and files that were imported one after another.
triage:
  - Did the sender report errors (apiserver_audit_error_total), or the kube-apiserver restart?
  - Are the events of that time still in a file on the control plane, or at the cloud provider? Import them.
  - Who was busy right before?
---*/
WITH minutes AS (
    SELECT cluster, source, time_bucket(INTERVAL 1 MINUTE, request_received_at) AS minute, count(*) AS events,
           min(request_received_at) AS first_at, max(request_received_at) AS last_at, arg_min(event_id, request_received_at) AS event_id
    FROM requests
    GROUP BY ALL
),
neighbours AS (
    SELECT *, lag(last_at) OVER busy AS silent_since, avg(events) OVER (busy ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS usual,
           count(*) OVER (busy ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING) AS known
    FROM minutes
    WINDOW busy AS (PARTITION BY cluster, source ORDER BY minute)
)
SELECT cluster, event_id, first_at AS request_received_at, source,
       'nothing for ' || round(epoch(first_at) - epoch(silent_since))::INTEGER || ' seconds, after ' || round(usual)::INTEGER || ' events a minute' AS detail
FROM neighbours
WHERE epoch(first_at) - epoch(silent_since) >= $longest_silence AND usual >= $least_per_minute AND known >= 5
