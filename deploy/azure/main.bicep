// Belay on Azure Container Apps: replicas on a managed PostgreSQL, no password anywhere, the
// key file wrapped by Key Vault. docs/operations.md says in which order it is deployed.

@description('Name of everything, in lower case: belay makes belay-env, belay-db and so on.')
@minLength(3)
@maxLength(10) // a vault's name has 24 letters at most
param name string = 'belay'

param location string = resourceGroup().location

@description('How far: base is everything but Belay; keys adds the job that lets the vault wrap the key file, for which the secrets must be in the vault; serve adds Belay, for which the wrapped key file and the role in the database must be there.')
@allowed(['base', 'keys', 'serve'])
param stage string = 'base'

@description('The image, such as example.azurecr.io/belay:1.0.0 or better @sha256:…')
param image string = ''

@description('Name of the Azure Container Registry of the image, in this resource group. Empty: the image is public.')
param registry string = ''

@description('The text of belay.yaml, without secrets: --parameters config=@belay.yaml')
@secure()
param config string = ''

@description('Names of the secrets in Key Vault, by the key of belay.yaml. Each becomes a file.')
param secrets object = {
  BELAY_SLACK_BOT_TOKEN_FILE: 'slack-bot-token'
  BELAY_SLACK_SIGNING_SECRET_FILE: 'slack-signing-secret'
  BELAY_SLACK_CLIENT_SECRET_FILE: 'slack-client-secret'
}

@description('Who administers the database, and writes the secrets into Key Vault: a group or a person of Entra.')
param administrator administratorType

@description('The public address from which the administrator sets things up. Empty: nobody from outside reaches database, vault and key file.')
param setUpFrom string = ''

@description('Fewest replicas. Two serve while one is replaced.')
@minValue(1)
param minReplicas int = 2

@minValue(1)
@maxValue(20)
param maxReplicas int = 3

@description('A standby of the database in another zone that has what was acknowledged, and replicas in several zones. Not every region has it.')
param zoneRedundant bool = true

param databaseSku object = {
  name: 'Standard_D2ds_v5'
  tier: 'GeneralPurpose'
}

@description('How long logs are kept, in days.')
param retention int = 90

type administratorType = {
  @description('Object id.')
  id: string
  @description('Display name of a group, user principal name of a person.')
  name: string
  type: 'Group' | 'User'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${name}-logs'
  location: location
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retention
    features: { enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

module network 'modules/network.bicep' = {
  name: '${name}-network'
  params: {
    name: name
    location: location
  }
}

module vault 'modules/vault.bicep' = {
  name: '${name}-vault'
  params: {
    name: name
    location: location
    principal: identity.properties.principalId
    administrator: administrator.id
    administratorType: administrator.type
    setUpFrom: setUpFrom
    subnet: network.outputs.endpoints
    network: network.outputs.network
    logs: logs.id
  }
}

module database 'modules/database.bicep' = {
  name: '${name}-database'
  params: {
    name: name
    location: location
    administrator: administrator.id
    administratorName: administrator.name
    administratorType: administrator.type
    setUpFrom: setUpFrom
    subnet: network.outputs.endpoints
    network: network.outputs.network
    zoneRedundant: zoneRedundant
    sku: databaseSku
    logs: logs.id
  }
}

module keys 'modules/keys.bicep' = {
  name: '${name}-keys'
  params: {
    name: name
    location: location
    setUpFrom: setUpFrom
    subnet: network.outputs.apps
  }
}

module pull 'modules/pull.bicep' = if (registry != '') {
  name: '${name}-pull'
  params: {
    registry: registry
    principal: identity.properties.principalId
  }
}

module environment 'modules/environment.bicep' = {
  name: '${name}-environment'
  params: {
    name: name
    location: location
    subnet: network.outputs.apps
    logs: logs.name
    account: keys.outputs.account
    share: keys.outputs.share
    zoneRedundant: zoneRedundant
  }
}

module belay 'modules/app.bicep' = if (stage != 'base') {
  name: '${name}-app'
  params: {
    name: name
    location: location
    environment: environment.outputs.environment
    storage: environment.outputs.storage
    identity: identity.id
    identityClient: identity.properties.clientId
    image: image
    registryServer: registry == '' ? '' : '${registry}${az.environment().suffixes.acrLoginServer}'
    config: config
    secrets: secrets
    vault: vault.outputs.address
    vaultKey: vault.outputs.key
    database: 'postgres://${identity.name}@${database.outputs.host}:5432/belay'
    minReplicas: minReplicas
    maxReplicas: maxReplicas
    serve: stage == 'serve'
  }
  dependsOn: [pull]
}

@description('Where browsers and the chat platforms reach Belay, unless a domain of yours is bound to it: public_url.')
output address string = 'https://${name}.${environment.outputs.domain}'

@description('The user of the database that pgaadauth_create_principal makes.')
output identityName string = identity.name

@description('The subject of the federated credential with which the registration trusts this identity.')
output identityPrincipal string = identity.properties.principalId

output vault string = vault.outputs.name
output databaseHost string = database.outputs.host
output storageAccount string = keys.outputs.account
