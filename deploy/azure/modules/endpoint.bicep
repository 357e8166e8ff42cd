// A private endpoint, and the name by which it is found in the network.

param name string
param location string
param target string
param group string
param zone string
param subnet string
param network string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = {
  name: name
  location: location
  properties: {
    subnet: { id: subnet }
    privateLinkServiceConnections: [
      {
        name: name
        properties: {
          privateLinkServiceId: target
          groupIds: [group]
        }
      }
    ]
  }
}

resource names 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: zone
  location: 'global'
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: names
  name: name
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network }
  }
}

resource entry 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'default'
        properties: { privateDnsZoneId: names.id }
      }
    ]
  }
}
