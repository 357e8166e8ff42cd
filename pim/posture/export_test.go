package posture

// Lanes is how many groups are read at once.
const Lanes = lanes
