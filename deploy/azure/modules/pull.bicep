// Belay's identity may pull from the registry, and do nothing else there.

param registry string
param principal string

resource from 'Microsoft.ContainerRegistry/registries@2023-07-01' existing = {
  name: registry
}

var pulls = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '7f951dda-4ed3-4680-a7ca-43fe172d538d')

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(from.id, principal, pulls)
  scope: from
  properties: {
    principalId: principal
    principalType: 'ServicePrincipal'
    roleDefinitionId: pulls
  }
}
