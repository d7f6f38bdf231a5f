-- Who a certificate signing request asks to be: common names and organizations of the subject in the PEM, read
-- from its DER. DER writes a name as its object identifier (2.5.4.3 common name, 2.5.4.10 organization), a tag
-- for the kind of text, a length and the text; texts of 128 bytes or more are left out. What is no PEM gives no names.
CREATE MACRO der_texts(der_hex, identifier) AS
    list_transform(
        list_filter(string_split(der_hex, identifier)[2:], lambda rest: substr(rest, 1, 2) IN ('0C', '13', '14', '16')),
        lambda rest: TRY(decode(unhex(substr(rest, 5, 2 * TRY_CAST('0x' || substr(rest, 3, 2) AS INTEGER)))))
    );

CREATE VIEW certificate_requests AS
WITH asked AS (
    SELECT cluster, event_id, request_received_at, user_name, user_groups, impersonated_user_name, service_account_namespace, service_account_name,
           source_ip, user_agent, verb, object_name, applied, response_code, decision, response_message,
           json_extract_string(document, ['$.spec.signerName', '$.spec.request']) AS told, json_extract_string(document, '$.spec.usages[*]') AS usages
    FROM written_documents
    WHERE resource = 'certificatesigningrequests' AND subresource IS NULL
),
opened AS (
    -- A blob as text shows its line ends as \x0A.
    SELECT * EXCLUDE (told), told[1] AS signer,
           hex(TRY(from_base64(regexp_replace(TRY(from_base64(regexp_replace(told[2], '\s', '', 'g')))::VARCHAR, '-----[^-]*-----|\\x0[AD]|\s', '', 'g')))) AS der
    FROM asked
)
SELECT * EXCLUDE (der), der_texts(der, '0603550403') AS common_names, der_texts(der, '060355040A') AS organizations
FROM opened;
