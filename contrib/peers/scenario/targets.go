package scenario

// Comparison is how a value is compared with a limit.
type Comparison string

// The comparisons.
const (
	AtMost  Comparison = "at most"
	AtLeast Comparison = "at least"
)

// Target is what is asked of ws-emit in one scenario.
type Target struct {
	// Number is that of the target in a list; several parts may share it. From 8 on it is one of those that are checked when asked for.
	Number           int
	Scenario, Metric string
	// Against is a peer. With one, the ratio of the two values is compared: the median of the ratios within each round, which is 0 where the
	// peer could not keep the rate. Empty compares the median of the value, in the unit of the metric.
	Against string
	Compare Comparison
	Limit   float64
	// Always asks for it in each round: the worst counts instead of the median.
	Always bool
}

// queueLimit is what may wait for one client of ws-emit by default, in KB.
const queueLimit = (1 << 20) / 1000.0

// Targets are all targets, by number.
func Targets() []Target {
	return []Target{
		{Number: 1, Scenario: "sequential", Metric: CPUPerDelivery.Name, Against: Floor, Compare: AtMost, Limit: 1.2},
		{Number: 1, Scenario: "sequential", Metric: CPUPerDelivery.Name, Against: Node, Compare: AtMost, Limit: 0.6},
		{Number: 1, Scenario: "sequential", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 2, Scenario: "parallel", Metric: CPUPerDelivery.Name, Against: Floor, Compare: AtMost, Limit: 0.5},
		{Number: 2, Scenario: "parallel", Metric: CPUPerDelivery.Name, Against: Centrifuge, Compare: AtMost, Limit: 0.8},
		{Number: 2, Scenario: "parallel", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 2, Scenario: "parallel", Metric: PostP99.Name, Compare: AtMost, Limit: 1000},
		{Number: 3, Scenario: "idle", Metric: Memory.Name, Compare: AtMost, Limit: 6},
		{Number: 4, Scenario: "connect", Metric: Acknowledged.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 4, Scenario: "connect", Metric: CPUPerConnect.Name, Against: Node, Compare: AtMost, Limit: 0.4},
		{Number: 5, Scenario: "rooms", Metric: RoomsCost.Name, Compare: AtMost, Limit: 1.2},
		{Number: 6, Scenario: "slow", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 6, Scenario: "slow", Metric: SlowP99.Name, Compare: AtMost, Limit: 1.2},
		{Number: 6, Scenario: "slow", Metric: SlowReason.Name, Compare: AtLeast, Limit: slowClients, Always: true},
		{Number: 6, Scenario: "slow", Metric: MemoryGrowth.Name, Compare: AtMost, Limit: slowClients * queueLimit},
		{Number: 7, Scenario: "redis", Metric: RedisPerCore.Name, Compare: AtLeast, Limit: 100_000},
		{Number: 7, Scenario: "redis", Metric: RedisCounted.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 7, Scenario: "order", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 7, Scenario: "order", Metric: OutOfOrder.Name, Compare: AtMost, Limit: 0, Always: true},
		{Number: 8, Scenario: "overload", Metric: SmallP99.Name, Compare: AtMost, Limit: 1000},
		{Number: 8, Scenario: "overload", Metric: Delivered.Name, Compare: AtLeast, Limit: 100, Always: true},
		{Number: 8, Scenario: "overload", Metric: MemoryGrowth.Name, Compare: AtMost, Limit: 100_000},
		{Number: 8, Scenario: "overload", Metric: Recovery.Name, Compare: AtMost, Limit: 1.2},
		{Number: 9, Scenario: "churn", Metric: MoreGoroutines.Name, Compare: AtMost, Limit: 10},
		{Number: 9, Scenario: "churn", Metric: MoreFiles.Name, Compare: AtMost, Limit: 10},
		{Number: 9, Scenario: "churn", Metric: MoreHeap.Name, Compare: AtMost, Limit: 1000},
		{Number: 10, Scenario: "half", Metric: P99.Name, Against: Centrifuge, Compare: AtMost, Limit: 1},
		{Number: 10, Scenario: "half", Metric: P99.Name, Against: Node, Compare: AtMost, Limit: 1},
		{Number: 10, Scenario: "halfbest", Metric: P99.Name, Against: Centrifuge, Compare: AtMost, Limit: 1},
		{Number: 10, Scenario: "halfbest", Metric: P99.Name, Against: Node, Compare: AtMost, Limit: 1},
	}
}
