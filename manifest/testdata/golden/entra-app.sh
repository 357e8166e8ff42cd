#!/usr/bin/env bash
# Registers Belay in Microsoft Entra ID, from entra-app.json beside this file.
#
#   az login --tenant 7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70
#       as somebody who may consent for everybody, such as a Privileged Role Administrator
#   ./entra-app.sh
#       makes the registration
#   ./entra-app.sh APP_ID
#       brings that registration up to date: its name, redirect URIs, permissions and the
#       optional claim auth_time (by which a fresh sign-in is told) become those of entra-app.json
#
# How Belay proves who it is, best first; set one of them, or do it later:
#   FEDERATION_ISSUER=… FEDERATION_SUBJECT=… ./entra-app.sh
#       trusts the tokens of a workload and needs no secret at all; in Kubernetes the
#       cluster's issuer and system:serviceaccount:NAMESPACE:NAME
#   CERTIFICATE=cert.pem ./entra-app.sh
#       trusts the certificate of which this is the public half
#
# Permissions as the person who signed in (delegated):
#   RoleEligibilitySchedule.Read.Directory
#   RoleAssignmentSchedule.ReadWrite.Directory
#   user_impersonation of the Azure Service Management API, for roles of Azure resources; who does
#   without them may take it out of entra-app.json and set entra.azure_resources: false
# Permissions as Belay itself (application), all of them to read:
#   GroupMember.Read.All
#   User.Read.All
set -euo pipefail

name='Belay'
tenant='7c3f5a2e-1b0d-4c55-9a3e-2f6d8b1c4e70'
graph=https://graph.microsoft.com/v1.0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
app=${1:-}

fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

command -v az >/dev/null || fail 'The Azure CLI (az) is not installed.'
[ -r "$here/entra-app.json" ] || fail "$here/entra-app.json is missing."
signed_in=$(az account show --query tenantId --output tsv) || fail 'Sign in first: az login'
if [ -n "$tenant" ] && [ "$signed_in" != "$tenant" ]; then
  fail "You are signed in to the tenant $signed_in, and this is for $tenant. Sign in there: az login --tenant $tenant"
fi

if [ -z "$app" ]; then
  same=$(az ad app list --display-name "$name" --query "[?displayName=='$name'].appId" --output tsv)
  [ -z "$same" ] || fail "There is a registration called $name already. To bring it up to date: $0 ${same//$'\n'/ or }"
  app=$(az rest --method post --url "$graph/applications" --headers Content-Type=application/json \
    --body "@$here/entra-app.json" --query appId --output tsv)
  echo "made the registration $app"
else
  az rest --method patch --url "$graph/applications(appId='$app')" --headers Content-Type=application/json \
    --body "@$here/entra-app.json" --output none
  echo "brought the registration $app up to date"
fi

if ! az ad sp show --id "$app" --output none 2>/dev/null; then
  az ad sp create --id "$app" --output none
  echo "made its service principal"
fi

consented=no
for try in 1 2 3 4 5 6; do
  if az ad app permission admin-consent --id "$app"; then
    consented=yes
    break
  fi
  echo "A new registration takes a moment to be known everywhere: trying again in 10 seconds ($try of 6)"
  sleep 10
done
[ "$consented" = yes ] || fail "The registration $app is made, but nobody consented to its permissions. An administrator can do it in the Entra portal: App registrations, $name, API permissions, Grant admin consent."
echo "consented to its permissions for everybody in $signed_in"

if [ -n "${FEDERATION_ISSUER:-}" ] && [ -n "${FEDERATION_SUBJECT:-}" ]; then
  credential=$(printf '{"name":"belay","issuer":"%s","subject":"%s","audiences":["api://AzureADTokenExchange"]}' \
    "$FEDERATION_ISSUER" "$FEDERATION_SUBJECT")
  if az ad app federated-credential show --id "$app" --federated-credential-id belay --output none 2>/dev/null; then
    az ad app federated-credential update --id "$app" --federated-credential-id belay --parameters "$credential" --output none
  else
    az ad app federated-credential create --id "$app" --parameters "$credential" --output none
  fi
  echo "trusts tokens of $FEDERATION_SUBJECT; set entra.federated_token_file"
elif [ -n "${CERTIFICATE:-}" ]; then
  az ad app credential reset --id "$app" --cert "@$CERTIFICATE" --append --output none
  echo "trusts the certificate $CERTIFICATE; set entra.certificate_file to a PEM with it and its private key"
else
  echo "It has no credential from this run: see the head of this script, and run it again with $app."
fi

cat <<RESULT

For belay.yaml:
  entra.tenant_id: $signed_in
  entra.client_id: $app
RESULT
