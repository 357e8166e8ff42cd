// The network: one subnet for the apps, one for the private endpoints.

param name string
param location string

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: '${name}-net'
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.60.0.0/16'] }
    subnets: [
      {
        name: 'apps'
        properties: {
          addressPrefix: '10.60.0.0/23'
          delegations: [
            {
              name: 'apps'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
          serviceEndpoints: [
            { service: 'Microsoft.Storage' }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.60.2.0/27'
          privateEndpointNetworkPolicies: 'Enabled'
        }
      }
    ]
  }
}

output network string = network.id
output apps string = '${network.id}/subnets/apps'
output endpoints string = '${network.id}/subnets/endpoints'
