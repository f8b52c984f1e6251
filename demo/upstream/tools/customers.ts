// The seeded customers of the demo CRM.

/** A customer record as the CRM shows it. Invented people; the mail domain is reserved for examples. */
export interface Customer {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly orders: readonly {
    readonly id: string;
    readonly status: string;
    readonly amount_usd: number;
  }[];
}

const CUSTOMERS: readonly Customer[] = [
  {
    id: "cus_123",
    name: "Ada Moreno",
    email: "ada.moreno@example.com",
    orders: [
      { id: "ord_1001", status: "delivered_damaged", amount_usd: 42 },
      { id: "ord_1002", status: "delivered", amount_usd: 118.5 },
    ],
  },
  {
    id: "cus_456",
    name: "Bram Okafor",
    email: "bram.okafor@example.com",
    orders: [{ id: "ord_2001", status: "lost_in_transit", amount_usd: 249.99 }],
  },
  {
    id: "cus_789",
    name: "Chiyo Lindqvist",
    email: "chiyo.lindqvist@example.com",
    orders: [
      { id: "ord_3001", status: "cancelled", amount_usd: 15 },
      { id: "ord_3002", status: "delivered", amount_usd: 1299 },
    ],
  },
];

/** The customer with this id. */
export function findCustomer(id: string): Customer | undefined {
  return CUSTOMERS.find((customer) => customer.id === id);
}
